-- Buckets of rows, by their hash, in which two tables differ: one row per bucket; no row if the tables have the same rows, as often.
-- Inputs: temp.kept_rows, temp.fresh_rows.
-- Rows of equal buckets are never compared one by one, so that a difference costs as much memory as the rows around it.
WITH
kept AS (
    SELECT
        row_hash % 1024 AS bucket_num,
        count(*) AS row_count,
        sum(cast(row_hash AS HUGEINT)) AS hash_sum
    FROM temp.kept_rows
    GROUP BY bucket_num
),

fresh AS (
    SELECT
        row_hash % 1024 AS bucket_num,
        count(*) AS row_count,
        sum(cast(row_hash AS HUGEINT)) AS hash_sum
    FROM temp.fresh_rows
    GROUP BY bucket_num
)

SELECT coalesce(k.bucket_num, f.bucket_num) AS bucket_num
FROM kept AS k
FULL JOIN fresh AS f ON k.bucket_num = f.bucket_num
WHERE k.row_count IS DISTINCT FROM f.row_count OR k.hash_sum IS DISTINCT FROM f.hash_sum
ORDER BY bucket_num
