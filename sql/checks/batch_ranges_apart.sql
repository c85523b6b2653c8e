-- No message is in two batches that were accepted, refused or are in doubt.
-- Input: core.batch_outcomes.
WITH ordered AS (
    SELECT
        batch_num,
        first_message_id,
        lag(batch_num) OVER (ORDER BY first_message_id, batch_num) AS previous_batch_num,
        max(last_message_id) OVER (
            ORDER BY first_message_id, batch_num ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS last_message_id_before
    FROM core.batch_outcomes
)

SELECT 'batch ' || batch_num || ': shares messages with a batch before it, such as ' || previous_batch_num AS finding
FROM ordered
WHERE first_message_id <= last_message_id_before
