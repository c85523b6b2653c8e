-- source campaigns: one row per published campaign, with the rows that are published of its file.
-- Inputs: marts.campaign_delivery, main.messages. Figures read it as main.campaigns.
-- The reason why a campaign is paused is not published.
CREATE OR REPLACE TEMP VIEW campaigns AS
WITH counts AS (
    SELECT
        campaign_id,
        count(*) AS row_count
    FROM main.messages
    GROUP BY campaign_id
)

SELECT
    d.campaign_id,
    coalesce(n.row_count, 0) AS row_count,
    CASE WHEN d.is_paused THEN 'sending rests' END AS paused_reason
FROM marts.campaign_delivery AS d
LEFT JOIN counts AS n ON d.campaign_id = n.campaign_id
