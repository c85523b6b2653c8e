-- Deletes from core.replies each row that another row subsumes: it has the same phone, text and time, and an access_num where this
-- one has none. Returns source_file and load_num of each. The result does not depend on the order in which files are loaded.
-- Inputs: core.replies; reply_changes, since one of the two rows is new or changed, and both have its phone.
DELETE FROM core.replies
WHERE
    rowid IN (
        WITH less AS MATERIALIZED (
            SELECT
                r.rowid AS row_num,
                r.phone,
                r.content,
                r.replied_at,
                r.has_own_time
            FROM core.replies AS r
            SEMI JOIN reply_changes AS c ON r.phone = c.phone
            WHERE r.access_num = ''
        ),

        more AS (
            SELECT
                r.phone,
                r.content,
                r.replied_at,
                r.has_own_time
            FROM core.replies AS r
            SEMI JOIN less AS l ON r.phone = l.phone
            WHERE r.access_num <> ''
        )

        SELECT l.row_num
        FROM less AS l
        INNER JOIN more AS m
            ON
                l.phone = m.phone
                AND l.content = m.content
                AND l.has_own_time = m.has_own_time
        WHERE NOT l.has_own_time OR l.replied_at = m.replied_at
    )
RETURNING source_file, load_num;
