-- marts.batch_delivery: one row per batch_num, with what the gateway answered and what became of its messages. A batch that
-- surely was not sent, or was split, has none: they are counted where they went in the end. What was kept back is no batch.
-- Inputs: core.batches, core.batch_outcomes, core.message_counts. Parameters: $as_of, $report_window_hours.
WITH counts AS (
    SELECT
        batch_num,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'refused'), 0) AS BIGINT) AS refused_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'in_doubt'), 0) AS BIGINT) AS in_doubt_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'accepted'), 0) AS BIGINT) AS accepted_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'unreported'), 0) AS BIGINT) AS unreported_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'delivered'), 0) AS BIGINT) AS delivered_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'failed'), 0) AS BIGINT) AS failed_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status IN ('accepted', 'unreported', 'delivered', 'failed')), 0) AS BIGINT)
            AS accepted_total_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status IN ('delivered', 'failed')), 0) AS BIGINT) AS reported_count,
        cast(coalesce(sum(segment_count) FILTER (WHERE status IN ('accepted', 'unreported', 'delivered', 'failed')), 0) AS BIGINT)
            AS accepted_segment_count
    FROM core.message_counts
    WHERE batch_num IS NOT NULL
    GROUP BY batch_num
)

SELECT
    b.batch_num,
    b.campaign_id,
    b.planned_batch,
    b.attempt,
    coalesce(o.state, b.state) AS state,
    coalesce(o.is_proven_by_report, FALSE) AS is_proven_by_report,
    b.error_code,
    b.http_status,
    b.answer_ms,
    b.submitted_at,
    b.submitted_on,
    b.message_count,
    coalesce(n.refused_count, 0) AS refused_count,
    coalesce(n.in_doubt_count, 0) AS in_doubt_count,
    coalesce(n.accepted_count, 0) AS accepted_count,
    coalesce(n.unreported_count, 0) AS unreported_count,
    coalesce(n.delivered_count, 0) AS delivered_count,
    coalesce(n.failed_count, 0) AS failed_count,
    coalesce(n.accepted_total_count, 0) AS accepted_total_count,
    coalesce(n.reported_count, 0) AS reported_count,
    coalesce(n.accepted_segment_count, 0) AS accepted_segment_count,
    n.delivered_count / nullif(n.accepted_total_count, 0) AS delivered_of_accepted_rate,
    wilson_low(n.delivered_count, n.accepted_total_count) AS delivered_of_accepted_rate_low,
    wilson_high(n.delivered_count, n.accepted_total_count) AS delivered_of_accepted_rate_high,
    n.delivered_count / nullif(n.reported_count, 0) AS delivered_of_reported_rate,
    wilson_low(n.delivered_count, n.reported_count) AS delivered_of_reported_rate_low,
    wilson_high(n.delivered_count, n.reported_count) AS delivered_of_reported_rate_high,
    n.reported_count / nullif(n.accepted_total_count, 0) AS coverage_rate,
    wilson_low(n.reported_count, n.accepted_total_count) AS coverage_rate_low,
    wilson_high(n.reported_count, n.accepted_total_count) AS coverage_rate_high,
    b.submitted_at < $as_of - to_hours($report_window_hours) AS is_mature
FROM core.batches AS b
LEFT JOIN core.batch_outcomes AS o ON b.batch_num = o.batch_num
LEFT JOIN counts AS n ON b.batch_num = n.batch_num
WHERE b.state <> 'suppressed'
ORDER BY b.submitted_at, b.batch_num
