-- core.repeated_replies: one row per reply that repeats another row of core.replies, which has the better data and is counted instead.
-- Input: core.replies.
-- A pushed reply has only the time of the push; a pulled one may have no time at all. So a reply that was only pushed repeats a pulled or
-- imported one that was sent up to a day before; and a reply without a time repeats one that was pushed and has one. No chain of these
-- comes back to where it began, so its last row counts.
SELECT
    r.phone,
    r.content,
    r.access_num,
    r.replied_at,
    r.has_own_time
FROM core.replies AS r
SEMI JOIN core.replies AS o
    ON
        r.phone = o.phone
        AND r.content = o.content
        AND (r.access_num = o.access_num OR r.access_num = '' OR o.access_num = '')
        AND CASE
            WHEN r.has_own_time
                THEN
                    is_pushed_only(r.is_pushed, r.is_pulled, r.is_imported)
                    AND o.has_own_time AND (o.is_pulled OR o.is_imported)
                    AND o.replied_at BETWEEN r.replied_at - INTERVAL 1 DAY AND r.replied_at + INTERVAL 1 MINUTE
            ELSE o.is_pushed AND o.has_own_time
        END
