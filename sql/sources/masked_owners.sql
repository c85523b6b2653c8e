-- masked owners: one row per row of sources/owners_with_digits, which temp.masked_owners holds before, with phones masked. Kept there
-- while the messages of the campaigns in temp.part_campaigns are published.
SELECT
    campaign_id,
    input_row,
    mask_phones_in_json(owner) AS owner
FROM temp.masked_owners
