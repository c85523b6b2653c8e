-- One row per campaign: its last batch as loaded, and the last message that any of its batches had.
-- Input: core.batches.
SELECT
    campaign_id,
    max(batch_num) AS batch_num,
    max(last_message_id) AS last_message_id
FROM core.batches
GROUP BY campaign_id
