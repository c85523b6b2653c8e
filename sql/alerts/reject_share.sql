-- alert reject_share: one row per kind of file (reports, replies, pushes) if too many of its records since yesterday were rejected.
-- The day is that in a file's name, in UTC. Few records count too: one rejected answer may hide many. An import shows its rejects itself.
-- Input: core.files. Parameters: $as_of, $max_reject_share.
SELECT
    NULL AS campaign_id,
    kind AS subject,
    cast(sum(record_count) AS BIGINT) AS message_count,
    sum(rejected_count) / sum(record_count) AS value,
    $max_reject_share AS bound
FROM core.files
WHERE
    kind IN ('reports', 'replies', 'pushes')
    AND regexp_extract(source_file, '[0-9]{4}-[0-9]{2}-[0-9]{2}')
    >= strftime(cast($as_of AS TIMESTAMPTZ) AT TIME ZONE 'UTC' - to_days(1), '%Y-%m-%d')
GROUP BY kind
HAVING sum(rejected_count) > sum(record_count) * $max_reject_share
ORDER BY kind
