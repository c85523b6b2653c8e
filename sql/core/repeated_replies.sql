-- core.repeated_replies: one row per reply that another row of core.replies tells too, and better; it counts there.
-- Input: core.replies.
-- A push has no time of its reply, only that of its own sending; a pull may have none at all. So a reply that was only pushed is
-- the same as one that was pulled or imported, if that was sent in the day before; and one without a time is one that was pushed.
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
                    r.is_pushed AND NOT r.is_pulled AND NOT r.is_imported
                    AND o.has_own_time AND (o.is_pulled OR o.is_imported)
                    AND o.replied_at BETWEEN r.replied_at - INTERVAL 1 DAY AND r.replied_at + INTERVAL 1 MINUTE
            ELSE o.is_pushed
        END
