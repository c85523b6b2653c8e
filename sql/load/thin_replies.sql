-- Removes from core.replies what another reply says, and more: one that has the same phone, text and time, and an access_num
-- where this one has none. What is left doesn't depend on the order in which files are loaded.
DELETE FROM core.replies AS less
USING core.replies AS more
WHERE
    less.access_num = ''
    AND more.access_num <> ''
    AND less.phone = more.phone
    AND less.content = more.content
    AND less.has_own_time = more.has_own_time
    AND (NOT less.has_own_time OR less.replied_at = more.replied_at);
