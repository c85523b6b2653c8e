-- masked owners: one row per recipient row whose columns of the owner may hold a phone, with phones masked.
-- Input: core.recipients. Kept in temp.masked_owners while the messages of one campaign after the other are published.
SELECT
    campaign_id,
    input_row,
    mask_phones_in_json(cast(owner AS VARCHAR)) AS owner
FROM core.recipients
WHERE has_phone_digits(cast(owner AS VARCHAR))
