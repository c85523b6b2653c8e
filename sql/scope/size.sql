-- One row: the rows of the campaigns in scope, and those of all campaigns.
-- Inputs: core.campaigns, temp.scope_campaigns.
SELECT
    cast(coalesce(sum(c.row_count) FILTER (WHERE t.campaign_id IS NOT NULL), 0) AS BIGINT) AS scope_row_count,
    cast(coalesce(sum(c.row_count), 0) AS BIGINT) AS row_count
FROM core.campaigns AS c
LEFT JOIN temp.scope_campaigns AS t ON c.campaign_id = t.campaign_id
