-- core.reply_matches: one row per reply, with the message that it most likely answers: the latest one sent to that phone before the
-- reply; messages with the extension that was replied to come first. Without such a message the columns about it are null.
-- Inputs: core.replies, core.repeated_replies, core.followed_messages. Parameters: $opt_out_pattern,
-- $near_opt_out_pattern, both of pipelines/opt_outs.py, for plain_content.
WITH replies AS (
    SELECT
        r.*,
        regexp_matches(r.plain_content, $opt_out_pattern) AS is_opt_out
    FROM core.replies AS r
    ANTI JOIN core.repeated_replies USING (phone, content, access_num, replied_at, has_own_time)
),

candidates AS (
    SELECT
        r.phone,
        r.content,
        r.access_num,
        r.replied_at,
        m.campaign_id,
        m.input_row,
        m.message_id,
        m.submitted_at,
        coalesce(m.extra_num <> '' AND ends_with(r.access_num, m.extra_num), FALSE) AS has_extension,
        row_number() OVER (
            PARTITION BY r.phone, r.content, r.access_num, r.replied_at
            ORDER BY
                coalesce(m.extra_num <> '' AND ends_with(r.access_num, m.extra_num), FALSE) DESC,
                m.submitted_at DESC,
                m.message_id DESC
        ) AS place
    FROM replies AS r
    INNER JOIN core.followed_messages AS m ON r.phone = m.phone
    WHERE m.submitted_at <= r.replied_at
)

SELECT
    r.phone,
    r.content,
    r.access_num,
    r.replied_at,
    r.has_own_time,
    r.received_at,
    c.campaign_id,
    c.input_row,
    c.message_id,
    c.submitted_at,
    cast((epoch_us(r.replied_at) - epoch_us(c.submitted_at)) // 1000000 AS INTEGER) AS reply_seconds,
    CASE WHEN c.has_extension THEN 'extension' WHEN c.message_id IS NOT NULL THEN 'latest' END AS match_rule,
    cast(length(r.content) AS INTEGER) AS character_count,
    r.is_opt_out,
    NOT r.is_opt_out AND regexp_matches(r.plain_content, $near_opt_out_pattern) AS is_near_opt_out
FROM replies AS r
LEFT JOIN candidates AS c
    ON
        r.phone = c.phone
        AND r.content = c.content
        AND r.access_num = c.access_num
        AND r.replied_at = c.replied_at
        AND c.place = 1
