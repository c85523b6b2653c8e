-- Deletes from core.reports each failure of an export that has a borrowed time, if the same failure is there with a time of its own or with
-- an earlier borrowed one. A mission_num or a batch_num must say that it is the same. Returns source_file and load_num of each.
-- The result does not depend on the order in which files are loaded.
-- Inputs: core.reports; report_changes, since one of the two rows is new or changed, and both have its phone.
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
            SEMI JOIN report_changes AS c ON r.phone = c.phone
            WHERE
                r.is_imported AND json_extract_string(r.extra, '/stat_time_from') IS NOT NULL AND (r.mission_num <> '' OR r.batch_num <> '')
        ),

        more AS (
            SELECT
                r.mission_num,
                r.phone,
                r.code,
                r.stat_time,
                r.batch_num,
                r.extra
            FROM core.reports AS r
            SEMI JOIN less AS l ON r.phone = l.phone
        )

        SELECT l.row_num
        FROM less AS l
        INNER JOIN more AS m ON l.phone = m.phone AND l.code = m.code
        WHERE
            l.mission_num IN ('', m.mission_num)
            AND l.batch_num IN ('', m.batch_num)
            AND l.stat_time <> m.stat_time
            AND (json_extract_string(m.extra, '/stat_time_from') IS NULL OR m.stat_time < l.stat_time)
    )
RETURNING source_file, load_num;
