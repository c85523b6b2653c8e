-- core.batch_outcomes: one row per batch that was accepted, refused, kept back or may have been accepted; their ranges of messages
-- never overlap.
-- Inputs: core.batches, core.recipients, core.report_matches.
-- A believed report for any message of a batch in doubt proves that the whole batch was accepted.
WITH doubtful AS MATERIALIZED (
    SELECT
        b.batch_num,
        m.message_id,
        m.phone
    FROM core.batches AS b
    INNER JOIN core.recipients AS m
        ON
            b.campaign_id = m.campaign_id
            AND b.planned_batch = m.planned_batch
            AND m.message_id BETWEEN b.first_message_id AND b.last_message_id
    WHERE b.state = 'in_doubt'
),

proven AS (
    SELECT DISTINCT d.batch_num
    FROM core.report_matches AS r
    INNER JOIN doubtful AS d ON r.message_id = d.message_id AND r.phone = d.phone
)

SELECT
    b.batch_num,
    b.campaign_id,
    b.planned_batch,
    b.first_message_id,
    b.last_message_id,
    CASE WHEN p.batch_num IS NULL THEN b.state ELSE 'accepted' END AS state,
    p.batch_num IS NOT NULL AS is_proven_by_report,
    b.error_code,
    CASE WHEN b.state <> 'suppressed' THEN b.submitted_at END AS submitted_at,
    CASE WHEN b.state <> 'suppressed' THEN b.submitted_on END AS submitted_on
FROM core.batches AS b
LEFT JOIN proven AS p ON b.batch_num = p.batch_num
WHERE b.state IN ('accepted', 'refused', 'in_doubt', 'suppressed')
