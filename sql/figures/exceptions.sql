-- figure exceptions: one row per kind of finding about the campaign; findings that belong to no campaign are shown with every one.
-- Input: marts.exceptions. Parameter: $campaign_id.
SELECT
    kind,
    cast(sum(occurrence_count) AS BIGINT) AS occurrence_count,
    min(detail) AS example
FROM marts.exceptions
WHERE campaign_id = $campaign_id OR campaign_id IS NULL
GROUP BY kind
ORDER BY occurrence_count DESC, kind ASC
