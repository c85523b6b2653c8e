-- One row per report to be looked up: it is in lookups_before, or it came or changed since the tables were
-- computed; and its mission_num contains no message id of a loaded campaign. In the columns of core.reports.
-- Inputs: core.reports, core.campaigns, temp.lookups_before. Parameter: $since_load_num.
-- noqa: disable=AM04
WITH candidates AS MATERIALIZED (
    SELECT
        r.rowid AS row_num,
        r.message_id
    FROM core.reports AS r
    WHERE r.load_num > $since_load_num
    UNION
    SELECT
        r.row_num,
        r.message_id
    FROM (
        SELECT
            n.rowid AS row_num,
            n.*
        FROM core.reports AS n
        SEMI JOIN temp.lookups_before AS i ON n.stat_time = i.stat_time
    ) AS r
    SEMI JOIN temp.lookups_before AS b
        ON
            r.mission_num = b.mission_num
            AND r.phone = b.phone
            AND r.code = b.code
            AND r.stat_time = b.stat_time
            AND r.batch_num = b.batch_num
),

unplaced AS (
    SELECT n.row_num
    FROM candidates AS n
    ANTI JOIN core.campaigns AS c
        ON
            campaign_key_of(n.message_id) = c.campaign_key
            AND position_of(n.message_id) < c.message_count
)

SELECT r.*
FROM core.reports AS r
SEMI JOIN unplaced AS u ON r.rowid = u.row_num
