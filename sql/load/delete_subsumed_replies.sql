-- Deletes from core.replies each row that another row subsumes: it has the same phone, text and time, and an access_num where this
-- one has none. The result does not depend on the order in which files are loaded.
DELETE FROM core.replies AS less
USING core.replies AS more
WHERE
    less.access_num = ''
    AND more.access_num <> ''
    AND less.phone = more.phone
    AND less.content = more.content
    AND less.has_own_time = more.has_own_time
    AND (NOT less.has_own_time OR less.replied_at = more.replied_at);
