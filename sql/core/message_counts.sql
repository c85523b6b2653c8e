-- core.message_counts: one row per campaign, batch, status, code and error_code: the rows of message_status, counted once for all marts.
-- Inputs: core.message_status, core.batch_outcomes. Rows that never were in a batch have no batch_num and no day.
WITH counts AS (
    SELECT
        campaign_id,
        first_message_id,
        status,
        code,
        count(*) AS message_count,
        cast(sum(segment_count) AS BIGINT) AS segment_count,
        cast(sum(report_count) AS BIGINT) AS report_count,
        cast(sum(phone_mismatch_count) AS BIGINT) AS phone_mismatch_count
    FROM core.message_status
    GROUP BY campaign_id, first_message_id, status, code
)

SELECT
    n.campaign_id,
    b.batch_num,
    b.submitted_at,
    b.submitted_on,
    n.status,
    n.code,
    CASE WHEN b.state = 'refused' THEN b.error_code END AS error_code,
    n.message_count,
    n.segment_count,
    n.report_count,
    n.phone_mismatch_count
FROM counts AS n
LEFT JOIN core.batch_outcomes AS b ON n.first_message_id = b.first_message_id
