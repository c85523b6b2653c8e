-- One row per row of core.report_lookups that may be another one by now: its report came, changed or was removed by one that has more, or
-- the campaign that it was looked up in, or may be found in, was loaded since. row_num is its rowid.
-- Inputs: core.report_lookups, core.reports, core.batches, core.recipients, temp.touched_by_load. Parameter: $since_load_num.
-- noqa: disable=AM04
WITH changed AS MATERIALIZED (
    SELECT
        mission_num,
        phone,
        code,
        batch_num
    FROM core.reports
    WHERE load_num > $since_load_num
),

found AS (
    SELECT l.rowid AS row_num
    FROM core.report_lookups AS l
    SEMI JOIN changed AS c
        ON
            l.phone = c.phone
            AND l.code = c.code
            AND l.mission_num IN ('', c.mission_num)
            AND l.batch_num IN ('', c.batch_num)
    UNION
    SELECT l.rowid
    FROM core.report_lookups AS l
    SEMI JOIN temp.touched_by_load AS t ON campaign_key_of(l.message_id) = t.campaign_key
    UNION
    SELECT l.rowid
    FROM core.report_lookups AS l
    SEMI JOIN temp.touched_by_load AS t ON campaign_key_of(l.foreign_message_id) = t.campaign_key
    UNION
    SELECT l.rowid
    FROM core.report_lookups AS l
    SEMI JOIN (
        SELECT b.batch_num
        FROM core.batches AS b
        SEMI JOIN temp.touched_by_load AS t ON b.campaign_id = t.campaign_id
    ) AS b ON l.batch_num = b.batch_num
    UNION
    SELECT l.rowid
    FROM core.report_lookups AS l
    SEMI JOIN (
        SELECT m.mission_num
        FROM core.recipients AS m
        SEMI JOIN temp.touched_by_load AS t ON m.campaign_id = t.campaign_id
    ) AS m ON l.mission_num = m.mission_num
    UNION
    SELECT l.rowid
    FROM core.report_lookups AS l
    SEMI JOIN (
        SELECT m.phone
        FROM core.recipients AS m
        SEMI JOIN temp.touched_by_load AS t ON m.campaign_id = t.campaign_id
    ) AS m ON l.phone = m.phone
    WHERE l.mission_num = '' AND l.batch_num = ''
)

SELECT
    l.rowid AS row_num,
    l.*
FROM core.report_lookups AS l
SEMI JOIN found AS f ON l.rowid = f.row_num
