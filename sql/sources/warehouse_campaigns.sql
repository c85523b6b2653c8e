-- source campaigns: one row per campaign of the warehouse, with the rows of its file as they were counted when it was planned.
-- Input: core.campaigns. Figures read it as main.campaigns.
CREATE OR REPLACE TEMP VIEW campaigns AS
SELECT
    campaign_id,
    row_count,
    paused_reason
FROM core.campaigns
