-- One row per distinguishable reply that was received, or sent, before an instant. A time that is only the time of the call is null.
-- Input: core.replies. Parameter: $before.
SELECT DISTINCT
    phone,
    content,
    CASE WHEN has_own_time THEN replied_at END AS replied_at
FROM core.replies
WHERE received_at < $before OR (has_own_time AND replied_at < $before)
