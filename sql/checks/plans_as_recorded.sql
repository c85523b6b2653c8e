-- Every campaign's plan has as many messages and segments as were recorded when it was planned.
-- Inputs: core.campaigns, core.recipients.
WITH planned AS (
    SELECT
        campaign_id,
        count(message_id) AS message_count,
        coalesce(sum(segment_count) FILTER (WHERE message_id IS NOT NULL), 0) AS segment_count
    FROM core.recipients
    GROUP BY campaign_id
)

SELECT
    'campaign ' || c.campaign_id || ': ' || c.message_count || ' messages of ' || c.segment_count || ' segments recorded, '
    || coalesce(p.message_count, 0) || ' of ' || coalesce(p.segment_count, 0) || ' in the plan' AS finding
FROM core.campaigns AS c
LEFT JOIN planned AS p ON c.campaign_id = p.campaign_id
WHERE c.message_count <> coalesce(p.message_count, 0) OR c.segment_count <> coalesce(p.segment_count, 0)
