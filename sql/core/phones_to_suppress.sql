-- core.phones_to_suppress: one row per phone that should get no more messages and is on no list yet: a reply opted out, or consecutive
-- campaigns failed with a hard code. Private, because lists need the phone.
-- Inputs: core.followed_messages, core.gateway_codes, core.hard_failures, core.pulls, core.replies, core.reply_arrivals,
-- core.reply_matches, core.suppressions.
-- Parameters: $hard_failures, the number of campaigns that must have failed; $opt_out_pattern, for plain_content.
-- A phone that received a message is in use: hard codes of campaigns submitted before that message no longer count.
-- After a phone was removed from the lists, only later opt-outs and failures count. A reply without a time that comes again is a later one
-- if an answer since it last came did not have it.
WITH removals AS (
    SELECT
        phone,
        max(since_at) AS removed_at
    FROM core.suppressions
    WHERE is_removed
    GROUP BY phone
),

listed AS (
    SELECT s.phone
    FROM core.suppressions AS s
    LEFT JOIN removals AS r ON s.phone = r.phone
    WHERE NOT s.is_removed AND coalesce(s.since_at > r.removed_at, TRUE)
),

opt_out_texts AS (
    SELECT
        phone,
        content
    FROM core.replies
    WHERE regexp_matches(plain_content, $opt_out_pattern)
),

arrivals AS (
    SELECT
        phone,
        content,
        access_num,
        received_at AS came_at,
        TRUE AS is_untimed
    FROM core.reply_arrivals
    UNION ALL
    SELECT
        phone,
        content,
        access_num,
        replied_at,
        FALSE
    FROM core.replies
),

-- The opt-outs of removed phones, and when they came.
comings AS (
    SELECT
        a.phone,
        a.content,
        a.access_num,
        a.came_at,
        bool_or(a.is_untimed) AS is_untimed,
        lag(a.came_at) OVER (PARTITION BY a.phone, a.content, a.access_num ORDER BY a.came_at) AS previous_at
    FROM arrivals AS a
    SEMI JOIN removals AS r ON a.phone = r.phone
    SEMI JOIN opt_out_texts AS t ON a.phone = t.phone AND a.content = t.content
    GROUP BY a.phone, a.content, a.access_num, a.came_at
),

renewals AS (
    SELECT DISTINCT
        c.phone,
        c.came_at
    FROM comings AS c
    INNER JOIN core.pulls AS p ON c.previous_at < p.called_at AND c.came_at > p.called_at
    WHERE c.is_untimed AND p.kind = 'replies' AND p.outcome = 'ok'
),

all_opt_outs AS (
    SELECT
        phone,
        replied_at AS came_at
    FROM core.reply_matches
    WHERE is_opt_out
    UNION ALL
    SELECT
        phone,
        came_at
    FROM renewals
),

opt_outs AS (
    SELECT
        o.phone,
        min(o.came_at) AS opted_out_at
    FROM all_opt_outs AS o
    LEFT JOIN removals AS r ON o.phone = r.phone
    WHERE coalesce(o.came_at > r.removed_at, TRUE)
    GROUP BY o.phone
),

candidates AS (
    SELECT phone FROM opt_outs
    UNION
    SELECT phone
    FROM core.hard_failures
    GROUP BY phone
    HAVING count(*) >= $hard_failures
),

-- Lists take only valid phones.
unlisted AS (
    SELECT p.phone
    FROM candidates AS p
    ANTI JOIN listed AS l ON p.phone = l.phone
    WHERE is_phone(p.phone)
),

messages AS (
    SELECT
        s.phone,
        s.campaign_id,
        s.input_row,
        s.message_id,
        s.code,
        s.submitted_at,
        s.status = 'failed' AND coalesce(g.is_hard, FALSE) AND coalesce(s.submitted_at > r.removed_at, TRUE)
            AS is_hard_failure,
        max(CASE WHEN s.status = 'delivered' THEN s.submitted_at END) OVER (PARTITION BY s.phone) AS last_delivery_submitted_at
    FROM core.followed_messages AS s
    INNER JOIN unlisted AS p ON s.phone = p.phone
    LEFT JOIN core.gateway_codes AS g ON s.code = g.code
    LEFT JOIN removals AS r ON s.phone = r.phone
),

counted_messages AS (
    SELECT
        phone,
        campaign_id,
        input_row,
        message_id,
        code,
        submitted_at,
        is_hard_failure AND coalesce(submitted_at > last_delivery_submitted_at, TRUE) AS is_counted
    FROM messages
),

phones AS (
    SELECT
        phone,
        max_by(campaign_id, (submitted_at, message_id)) AS campaign_id,
        max_by(input_row, (submitted_at, message_id)) AS input_row,
        max(submitted_at) AS last_submitted_at,
        max_by(message_id, (submitted_at, message_id)) AS message_id,
        count(*) AS message_count,
        count(DISTINCT campaign_id) FILTER (WHERE is_counted) AS hard_campaign_count,
        max_by(code, (submitted_at, message_id)) FILTER (WHERE is_counted) AS code,
        max(submitted_at) FILTER (WHERE is_counted) AS last_hard_at,
        count(DISTINCT campaign_id) FILTER (WHERE is_counted) >= $hard_failures AS is_hard
    FROM counted_messages
    GROUP BY phone
)

SELECT
    p.phone,
    CASE WHEN o.phone IS NOT NULL THEN 'opted_out' ELSE 'hard_code' END AS reason,
    coalesce(o.opted_out_at, n.last_hard_at) AS since_at,
    o.opted_out_at,
    coalesce(n.hard_campaign_count, 0) AS hard_campaign_count,
    n.code,
    n.campaign_id,
    n.input_row,
    n.message_id,
    coalesce(n.message_count, 0) AS message_count,
    n.last_submitted_at
FROM unlisted AS p
LEFT JOIN phones AS n ON p.phone = n.phone
LEFT JOIN opt_outs AS o ON p.phone = o.phone
WHERE o.phone IS NOT NULL OR n.is_hard
