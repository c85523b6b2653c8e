-- alert in_doubt: one row per campaign, live or not, with too many batches in doubt; `value` counts batches.
-- Input: marts.batch_delivery. Parameter: $max_in_doubt_batches.
SELECT
    campaign_id,
    NULL AS subject,
    cast(sum(message_count) AS BIGINT) AS message_count,
    count(*) AS value,
    $max_in_doubt_batches AS bound
FROM marts.batch_delivery
WHERE state = 'in_doubt'
GROUP BY campaign_id
HAVING count(*) > $max_in_doubt_batches
ORDER BY campaign_id
