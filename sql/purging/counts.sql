-- One row: replies from before an instant that were received again since; phones that a list must take for one of the reasons; and phones
-- that no list takes and of which nothing is left once everything sent before the instant has been purged.
-- Inputs: core.replies, core.phones_to_suppress. Parameters: $before, $reasons.
WITH repeated_replies AS (
    SELECT count(*) AS reply_count
    FROM core.replies
    WHERE has_own_time AND replied_at < $before AND received_at >= $before
),

phones AS (
    SELECT
        count(*) FILTER (WHERE list_contains($reasons, reason)) AS to_list_count,
        count(*) FILTER (WHERE NOT list_contains($reasons, reason) AND last_submitted_at < $before) AS unlisted_count
    FROM core.phones_to_suppress
)

SELECT
    t.reply_count AS told_again_count,
    p.to_list_count,
    p.unlisted_count
FROM repeated_replies AS t
CROSS JOIN phones AS p
