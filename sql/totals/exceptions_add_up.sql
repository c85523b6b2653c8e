-- Every orphan, report of another phone, message in doubt or unreported, and reject is in marts.exceptions.
-- Inputs: core.message_counts, core.rejects, core.report_lookups, core.statuses, marts.exceptions.
WITH listed AS (
    SELECT
        kind,
        sum(occurrence_count) AS occurrence_count
    FROM marts.exceptions
    GROUP BY kind
),

expected AS (
    SELECT
        'orphan' AS kind,
        count(*) AS occurrence_count
    FROM core.report_lookups
    WHERE message_id IS NULL
    UNION ALL
    SELECT
        'phone_mismatch',
        coalesce(sum(phone_mismatch_count), 0)
    FROM core.message_counts
    UNION ALL
    SELECT
        'in_doubt',
        coalesce(sum(message_count), 0)
    FROM core.message_counts
    WHERE status = 'in_doubt'
    UNION ALL
    SELECT
        'unreported',
        coalesce(sum(message_count), 0)
    FROM core.message_counts
    WHERE status = 'unreported'
    UNION ALL
    SELECT
        'report_of_unsent',
        coalesce(sum(s.report_count), 0)
    FROM core.message_counts AS s
    INNER JOIN core.statuses AS t ON s.status = t.status
    WHERE NOT t.is_sent
    UNION ALL
    SELECT
        'reject',
        count(*)
    FROM core.rejects
)

SELECT kind || ': ' || k.occurrence_count || ' are known, ' || coalesce(l.occurrence_count, 0) || ' are in marts.exceptions' AS finding
FROM expected AS k
LEFT JOIN listed AS l USING (kind)
WHERE k.occurrence_count <> coalesce(l.occurrence_count, 0)
