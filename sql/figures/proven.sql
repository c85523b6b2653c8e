-- figure proven: one row, the batches of the campaign that had no answer to be trusted and that a report proved accepted.
-- Input: marts.batch_delivery. Parameter: $campaign_id.
SELECT
    count(*) AS batch_count,
    cast(coalesce(sum(message_count), 0) AS BIGINT) AS message_count
FROM marts.batch_delivery
WHERE campaign_id = $campaign_id AND is_proven_by_report
