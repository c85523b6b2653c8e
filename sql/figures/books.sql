-- figure books: one row per campaign, the oldest first: its row of the mart, the rows of its file, and its batches by state.
-- Inputs: main.campaigns, marts.campaign_delivery, marts.batch_delivery. Parameter: $campaign_id (null: all campaigns).
-- A batch is proven if no answer to it could be trusted and a report shows that the gateway accepted it.
WITH batches AS (
    SELECT
        campaign_id,
        count(*) FILTER (WHERE state = 'accepted') AS accepted_batch_count,
        count(*) FILTER (WHERE state = 'refused') AS refused_batch_count,
        count(*) FILTER (WHERE state = 'in_doubt') AS in_doubt_batch_count,
        count(*) FILTER (WHERE state = 'not_sent') AS not_sent_batch_count,
        count(*) FILTER (WHERE state = 'split') AS split_batch_count,
        count(*) FILTER (WHERE is_proven_by_report) AS proven_batch_count,
        cast(sum(message_count) FILTER (WHERE is_proven_by_report) AS BIGINT) AS proven_message_count
    FROM marts.batch_delivery
    GROUP BY campaign_id
)

SELECT
    d.*, -- noqa: AM04
    c.row_count AS file_row_count,
    c.paused_reason,
    coalesce(b.accepted_batch_count, 0) AS accepted_batch_count,
    coalesce(b.refused_batch_count, 0) AS refused_batch_count,
    coalesce(b.in_doubt_batch_count, 0) AS in_doubt_batch_count,
    coalesce(b.not_sent_batch_count, 0) AS not_sent_batch_count,
    coalesce(b.split_batch_count, 0) AS split_batch_count,
    coalesce(b.proven_batch_count, 0) AS proven_batch_count,
    coalesce(b.proven_message_count, 0) AS proven_message_count
FROM marts.campaign_delivery AS d
INNER JOIN main.campaigns AS c ON d.campaign_id = c.campaign_id
LEFT JOIN batches AS b ON d.campaign_id = b.campaign_id
WHERE cast($campaign_id AS VARCHAR) IS NULL OR d.campaign_id = $campaign_id
ORDER BY d.planned_at, d.campaign_id
