-- One row per batch as loaded, so that the journal can have its events again.
-- Input: core.batches.
SELECT
    batch_num,
    campaign_id,
    planned_batch,
    first_message_id,
    last_message_id,
    attempt,
    state,
    error_code,
    http_status,
    detail,
    submitted_at AS sent_at,
    answered_at,
    answer_ms,
    decided_by
FROM core.batches
ORDER BY batch_num
