-- figure reasons: one row per reason for which rows of the campaign are never to be sent, with its status.
-- Input: main.messages. Parameter: $campaign_id.
SELECT
    status,
    reason,
    count(*) AS row_count
FROM main.messages
WHERE campaign_id = $campaign_id AND reason IS NOT NULL
GROUP BY status, reason
ORDER BY row_count DESC, reason ASC
