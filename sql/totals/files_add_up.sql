-- Every loaded file: accepted + rejected = received, and each rejected record is in core.rejects.
-- Inputs: core.files, core.rejects.
WITH rejected AS (
    SELECT
        source_file,
        count(*) AS row_count
    FROM core.rejects
    GROUP BY source_file
)

SELECT
    f.source_file || ': ' || f.record_count || ' records, ' || f.accepted_count || ' accepted, ' || f.rejected_count || ' rejected, '
    || coalesce(r.row_count, 0) || ' in core.rejects' AS finding
FROM core.files AS f
LEFT JOIN rejected AS r ON f.source_file = r.source_file
WHERE f.accepted_count + f.rejected_count <> f.record_count OR f.rejected_count <> coalesce(r.row_count, 0)
