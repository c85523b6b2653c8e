-- core.message_counts: one row per campaign, batch, status, code and error_code: the rows of message_status, counted once for all marts.
-- Input: core.message_status. Rows that never were in a batch have no batch_num and no day.
SELECT
    campaign_id,
    batch_num,
    submitted_at,
    submitted_on,
    status,
    code,
    error_code,
    count(*) AS message_count,
    cast(sum(segment_count) AS BIGINT) AS segment_count,
    cast(sum(report_count) AS BIGINT) AS report_count,
    cast(sum(phone_mismatch_count) AS BIGINT) AS phone_mismatch_count
FROM core.message_status
GROUP BY campaign_id, batch_num, submitted_at, submitted_on, status, code, error_code
