-- Creates the temporary table reply_changes: the rows of `incoming` (checked replies, in the columns of core.replies without load_num)
-- that are new to core.replies, or change a row there, whose rowid is row_num. Of rows of one reply it takes the earliest. If the gateway
-- gives no time, the same text from the same phone is one reply, because a snapshot that is pulled again looks the same.
-- Input: core.replies, of which only rows with a phone of `incoming` are compared.
CREATE OR REPLACE TEMP TABLE reply_changes AS
WITH known AS MATERIALIZED (
    SELECT
        r.rowid AS row_num,
        r.phone,
        r.content,
        r.access_num,
        r.replied_at,
        r.has_own_time,
        r.received_at,
        r.source_file,
        r.is_pulled,
        r.is_pushed,
        r.is_imported
    FROM core.replies AS r
    SEMI JOIN incoming AS i ON r.phone = i.phone
),

earliest AS (
    FROM incoming
    QUALIFY 1 = row_number() OVER (
        PARTITION BY phone, content, access_num, has_own_time, CASE WHEN has_own_time THEN replied_at END
        ORDER BY received_at, source_file, extra
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
        e.phone = k.phone
        AND e.content = k.content
        AND e.access_num = k.access_num
        AND e.has_own_time = k.has_own_time
        AND (NOT e.has_own_time OR e.replied_at = k.replied_at)
WHERE
    k.row_num IS NULL
    OR (e.received_at, e.source_file) < (k.received_at, k.source_file)
    OR (e.is_pulled AND NOT k.is_pulled)
    OR (e.is_pushed AND NOT k.is_pushed)
    OR (e.is_imported AND NOT k.is_imported);
