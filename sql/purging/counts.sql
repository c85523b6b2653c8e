-- One row: replies of before an instant that were told again since, phones that a list must take for one of the reasons,
-- and phones that no list takes and that nothing is known of any more, once what was sent before the instant is gone.
-- Inputs: core.replies, core.phones_to_suppress. Parameters: $before, $reasons.
WITH told_again AS (
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
FROM told_again AS t
CROSS JOIN phones AS p
