-- Adds the rows of one plan to core.recipients, in the plan's order.
-- Parameters: $campaign_id; $plan, the path of its Parquet file, whose column `owner` (a struct) may be missing.
INSERT INTO core.recipients BY NAME
SELECT
    $campaign_id AS campaign_id,
    * REPLACE (to_json(owner) AS owner)
FROM (
    SELECT * FROM read_parquet($plan)
    UNION ALL BY NAME
    SELECT NULL AS owner WHERE false
);
