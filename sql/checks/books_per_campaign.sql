-- The books of every campaign: rows of its file = rows of its plan = rows with one of the statuses of core.statuses.
-- Inputs: core.campaigns, core.message_status, core.recipients, core.statuses.
WITH planned AS (
    SELECT
        campaign_id,
        count(*) AS row_count
    FROM core.recipients
    GROUP BY campaign_id
),

booked AS (
    SELECT
        m.campaign_id,
        count(*) AS row_count
    FROM core.message_status AS m
    SEMI JOIN core.statuses AS s ON m.status = s.status
    GROUP BY m.campaign_id
)

SELECT
    'campaign ' || campaign_id || ': ' || coalesce(c.row_count, 0) || ' rows in the file, ' || coalesce(p.row_count, 0)
    || ' in the plan, ' || coalesce(b.row_count, 0) || ' in the books' AS finding
FROM core.campaigns AS c
FULL JOIN planned AS p USING (campaign_id)
FULL JOIN booked AS b USING (campaign_id)
WHERE c.row_count IS DISTINCT FROM coalesce(p.row_count, 0) OR c.row_count IS DISTINCT FROM coalesce(b.row_count, 0)
