-- One row per campaign, the oldest first: its messages that are not settled, and the span of time of its data.
-- Inputs: marts.campaign_delivery, core.report_matches, core.recipients, core.reply_matches.
-- Parameter: $report_window_hours.
-- last_active_at is the last submission. began_at is the earliest of the plan, the first submission and the first report or reply;
-- ended_at is the latest of the end of the report window and the last report or reply. Without a submission both come from the plan.
WITH receptions AS (
    SELECT
        m.campaign_id,
        r.received_at
    FROM core.report_matches AS r
    INNER JOIN core.recipients AS m ON r.message_id = m.message_id
    UNION ALL
    SELECT
        campaign_id,
        received_at
    FROM core.reply_matches
    WHERE campaign_id IS NOT NULL
),

spans AS (
    SELECT
        campaign_id,
        min(received_at) AS first_at,
        max(received_at) AS last_at
    FROM receptions
    GROUP BY campaign_id
)

SELECT
    d.campaign_id,
    d.row_count,
    d.planned_count,
    d.in_doubt_count,
    coalesce(d.last_submitted_at, d.planned_at) AS last_active_at,
    least(d.planned_at, d.first_submitted_at, s.first_at) AS began_at,
    greatest(d.planned_at, d.last_submitted_at + to_hours($report_window_hours), s.last_at) AS ended_at
FROM marts.campaign_delivery AS d
LEFT JOIN spans AS s ON d.campaign_id = s.campaign_id
ORDER BY last_active_at, d.campaign_id
