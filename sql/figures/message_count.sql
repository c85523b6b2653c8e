-- figure message_count: one row, how many messages of the campaign are published.
-- Input: main.messages. Parameter: $campaign_id.
SELECT count(*) AS message_count
FROM main.messages
WHERE campaign_id = $campaign_id
