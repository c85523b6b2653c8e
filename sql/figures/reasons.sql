-- figure reasons: one row per reason why rows of the campaign are not to be sent, with their status.
-- Input: main.messages. Parameter: $campaign_id.
SELECT
    status,
    reason,
    count(*) AS row_count
FROM main.messages
WHERE campaign_id = $campaign_id AND status IN ('invalid', 'duplicate', 'suppressed')
GROUP BY status, reason
ORDER BY row_count DESC, reason ASC
