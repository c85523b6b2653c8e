-- core.repeated_messages: one row per message with more than one report.
-- Input: core.report_matches. A table of its own, so that the joins of core.message_status know how few such messages are.
SELECT message_id
FROM core.report_matches
GROUP BY message_id
HAVING count(*) > 1
