-- Creates the temporary table report_changes: the rows of `incoming` (checked reports, in the columns of core.reports without load_num)
-- that are new to core.reports, or change a row there, whose rowid is row_num. Of rows of one report it takes the earliest.
-- Input: core.reports, of which only rows with an instant of `incoming` are compared: the scan of one column of integers finds them.
CREATE OR REPLACE TEMP TABLE report_changes AS
WITH known AS MATERIALIZED (
    SELECT
        r.rowid AS row_num,
        r.mission_num,
        r.phone,
        r.code,
        r.stat_time,
        r.batch_num,
        r.received_at,
        r.source_file,
        r.is_pulled,
        r.is_pushed,
        r.is_imported
    FROM core.reports AS r
    SEMI JOIN incoming AS i ON r.stat_time = i.stat_time
),

earliest AS (
    FROM incoming
    QUALIFY 1 = row_number() OVER (
        PARTITION BY mission_num, phone, code, stat_time, batch_num
        ORDER BY received_at, source_file, send_status, receive_status, extra
    )
)

SELECT
    e.*,
    k.row_num,
    k.source_file AS former_source_file,
    coalesce((e.received_at, e.source_file) < (k.received_at, k.source_file), FALSE) AS is_earlier
FROM earliest AS e
LEFT JOIN known AS k
    ON
        e.mission_num = k.mission_num
        AND e.phone = k.phone
        AND e.code = k.code
        AND e.stat_time = k.stat_time
        AND e.batch_num = k.batch_num
WHERE
    k.row_num IS NULL
    OR (e.received_at, e.source_file) < (k.received_at, k.source_file)
    OR (e.is_pulled AND NOT k.is_pulled)
    OR (e.is_pushed AND NOT k.is_pushed)
    OR (e.is_imported AND NOT k.is_imported);
