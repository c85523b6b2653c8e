-- marts.batch_delivery: one row per batch_num, with the gateway's answer and the outcome of its messages. A batch that surely was not sent,
-- or was split, has no messages: they are counted in the batches that sent them in the end. Messages that were kept back form no batch.
-- Inputs: core.batches, core.batch_outcomes, core.message_counts. Parameters: $as_of, $report_window_hours.
WITH batches AS (
    SELECT
        b.batch_num,
        status_counts(n.status, n.message_count, n.segment_count) AS counts
    FROM core.batches AS b
    LEFT JOIN core.message_counts AS n ON b.batch_num = n.batch_num
    GROUP BY b.batch_num
),

rated AS (
    SELECT
        r.*,
        delivery_rates(r.counts.delivered_count, r.counts.reported_count, r.counts.accepted_total_count) AS rates
    FROM batches AS r
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
    n.counts.refused_count,
    n.counts.in_doubt_count,
    n.counts.accepted_count,
    n.counts.unreported_count,
    n.counts.delivered_count,
    n.counts.failed_count,
    n.counts.accepted_total_count,
    n.counts.reported_count,
    n.counts.accepted_segment_count,
    unnest(n.rates),
    b.submitted_at < $as_of - to_hours($report_window_hours) AS is_mature
FROM core.batches AS b
LEFT JOIN core.batch_outcomes AS o ON b.batch_num = o.batch_num
INNER JOIN rated AS n ON b.batch_num = n.batch_num
WHERE b.state <> 'suppressed'
ORDER BY b.submitted_at, b.batch_num
