-- masked owners: one row per recipient row of a part whose columns of the owner may hold a phone, with phones masked.
-- Input: core.recipients. Parameters: $first_row, $end_row. Kept in temp.masked_owners while the messages of the campaigns in
-- temp.part_campaigns are published.
SELECT
    r.campaign_id,
    r.input_row,
    mask_phones_in_json(cast(r.owner AS VARCHAR)) AS owner
FROM core.recipients AS r
SEMI JOIN temp.part_campaigns AS p ON r.campaign_id = p.campaign_id
WHERE r.input_row >= $first_row AND r.input_row < $end_row AND has_phone_digits(cast(r.owner AS VARCHAR))
