-- figure earlier: one row per earlier campaign that this one can be measured by, with its rates.
-- Inputs: marts.campaign_delivery, main.messages. Parameters: $campaign_id, $min_message_count.
-- The rule is that of the alerts, sql/functions/comparable_campaigns.sql: first submitted up to 90 days before it, of the
-- same templates or like it of none, and reported often enough. Three are needed, or none is shown.
WITH templates AS (
    SELECT
        campaign_id,
        string_agg(DISTINCT template_id, ' ' ORDER BY template_id) AS template_ids
    FROM main.messages
    WHERE template_id IS NOT NULL
    GROUP BY campaign_id
),

campaigns AS (
    SELECT
        d.*,
        t.template_ids
    FROM marts.campaign_delivery AS d
    LEFT JOIN templates AS t ON d.campaign_id = t.campaign_id
)

SELECT
    e.campaign_id,
    e.delivered_of_accepted_rate,
    e.delivered_of_reported_rate,
    e.coverage_rate
FROM campaigns AS c
INNER JOIN campaigns AS e
    ON
        c.first_submitted_at > e.first_submitted_at
        AND c.first_submitted_at <= e.first_submitted_at + to_days(90)
        AND c.template_ids IS NOT DISTINCT FROM e.template_ids
WHERE c.campaign_id = $campaign_id AND e.reported_count >= $min_message_count
QUALIFY count(*) OVER () >= 3
ORDER BY e.first_submitted_at
