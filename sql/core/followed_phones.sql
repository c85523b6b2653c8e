-- core.followed_phones: one row per phone whose messages are looked at across campaigns: it replied, or failed with a hard code in as many
-- campaigns as make it a candidate for suppression. Private.
-- Inputs: core.replies, core.hard_failures. Parameter: $hard_failures.
SELECT phone
FROM core.replies
UNION
SELECT phone
FROM core.hard_failures
GROUP BY phone
HAVING count(*) >= $hard_failures
