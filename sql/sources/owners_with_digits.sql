-- owners with digits: one row per recipient row of a part, of the campaigns in temp.part_campaigns, whose columns of the owner may hold a
-- phone. Few do, and the masks take longer to plan than all else that is published.
-- Input: core.recipients. Parameters: $first_row, $end_row.
SELECT
    r.campaign_id,
    r.input_row,
    cast(r.owner AS VARCHAR) AS owner
FROM core.recipients AS r
SEMI JOIN temp.part_campaigns AS p ON r.campaign_id = p.campaign_id
WHERE r.input_row >= $first_row AND r.input_row < $end_row AND has_phone_digits(cast(r.owner AS VARCHAR))
