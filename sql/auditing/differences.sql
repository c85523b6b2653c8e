-- Rows that only one of two tables has, or has more often: one row per side and row, the first of each side by their keys.
-- Inputs: temp.kept_rows, temp.fresh_rows. Parameters: $buckets (of auditing/buckets), $most_rows.
-- row_count says how many rows only that side has, in all; hash_count, how many of those are equal to this one. Rows are compared by their
-- hashes, of 64 bits, since the rows themselves would be kept in memory: a table may differ in all of its rows.
WITH
kept AS (
    SELECT
        row_hash,
        count(*) AS row_count
    FROM temp.kept_rows
    WHERE list_contains($buckets, row_hash % 1024)
    GROUP BY row_hash
),

fresh AS (
    SELECT
        row_hash,
        count(*) AS row_count
    FROM temp.fresh_rows
    WHERE list_contains($buckets, row_hash % 1024)
    GROUP BY row_hash
),

counts AS (
    SELECT
        coalesce(k.row_hash, f.row_hash) AS row_hash,
        coalesce(k.row_count, 0) - coalesce(f.row_count, 0) AS more_count
    FROM kept AS k
    FULL JOIN fresh AS f ON k.row_hash = f.row_hash
    WHERE k.row_count IS DISTINCT FROM f.row_count
),

first_kept AS (
    SELECT
        r.row_key,
        r.row_values,
        c.more_count
    FROM temp.kept_rows AS r
    INNER JOIN counts AS c ON r.row_hash = c.row_hash AND c.more_count > 0
    ORDER BY r.row_key
    LIMIT $most_rows
),

first_fresh AS (
    SELECT
        r.row_key,
        r.row_values,
        -c.more_count AS more_count
    FROM temp.fresh_rows AS r
    INNER JOIN counts AS c ON r.row_hash = c.row_hash AND c.more_count < 0
    ORDER BY r.row_key
    LIMIT $most_rows
),

totals AS (
    SELECT
        sum(more_count) FILTER (WHERE more_count > 0) AS kept_count,
        -sum(more_count) FILTER (WHERE more_count < 0) AS fresh_count
    FROM counts
)

SELECT
    'kept' AS side,
    t.kept_count AS row_count,
    r.more_count AS hash_count,
    cast(to_json(r.row_key) AS VARCHAR) AS row_key,
    cast(to_json(r.row_values) AS VARCHAR) AS row_values
FROM first_kept AS r
CROSS JOIN totals AS t
UNION ALL
SELECT
    'fresh' AS side,
    t.fresh_count AS row_count,
    r.more_count AS hash_count,
    cast(to_json(r.row_key) AS VARCHAR) AS row_key,
    cast(to_json(r.row_values) AS VARCHAR) AS row_values
FROM first_fresh AS r
CROSS JOIN totals AS t
ORDER BY side, row_key, row_values
