-- The replies that came, or were given, before an instant: one row for each that can be told from the others. A time that is
-- only that of the call is null. Input: core.replies. Parameter: $before.
SELECT DISTINCT
    phone,
    content,
    CASE WHEN has_own_time THEN replied_at END AS replied_at
FROM core.replies
WHERE received_at < $before OR (has_own_time AND replied_at < $before)
