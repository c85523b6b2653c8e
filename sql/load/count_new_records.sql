-- Updates core.pulls.new_record_count: a file that is loaded late may turn out to be the first one with a record.
-- Inputs: core.pulls, core.reports, core.replies.
UPDATE core.pulls SET new_record_count = counted.new_record_count
FROM (
    WITH records AS (
        SELECT source_file FROM core.reports
        UNION ALL
        SELECT source_file FROM core.replies
    )

    SELECT
        pulls.source_file,
        count(records.source_file) AS new_record_count
    FROM core.pulls AS pulls
    LEFT JOIN records ON pulls.source_file = records.source_file
    GROUP BY pulls.source_file
) AS counted
WHERE pulls.source_file = counted.source_file AND pulls.new_record_count <> counted.new_record_count;
