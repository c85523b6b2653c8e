-- Deletes from core.reports each row that another row subsumes: it has the same phone, code and stat_time, and a mission_num or a
-- batch_num where this one has none. Exports of the vendor's console may lack one or the other. Returns source_file and load_num of each.
-- The result does not depend on the order in which files are loaded.
-- Inputs: core.reports; report_changes, since one of the two rows is new or changed, and both have its instant.
DELETE FROM core.reports
WHERE
    rowid IN (
        WITH less AS MATERIALIZED (
            SELECT
                r.rowid AS row_num,
                r.mission_num,
                r.phone,
                r.code,
                r.stat_time,
                r.batch_num
            FROM core.reports AS r
            SEMI JOIN report_changes AS c ON r.stat_time = c.stat_time
            WHERE r.mission_num = '' OR r.batch_num = ''
        ),

        more AS (
            SELECT
                r.mission_num,
                r.phone,
                r.code,
                r.stat_time,
                r.batch_num
            FROM core.reports AS r
            SEMI JOIN less AS l ON r.stat_time = l.stat_time
        )

        SELECT l.row_num
        FROM less AS l
        INNER JOIN more AS m
            ON
                l.phone = m.phone
                AND l.code = m.code
                AND l.stat_time = m.stat_time
        WHERE
            l.mission_num IN ('', m.mission_num)
            AND l.batch_num IN ('', m.batch_num)
            AND (l.mission_num <> m.mission_num OR l.batch_num <> m.batch_num)
    )
RETURNING source_file, load_num;
