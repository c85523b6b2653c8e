-- alert files_left_out: one row per campaign planned since yesterday from a folder in which too many files were not read.
-- Input: core.campaigns. Parameters: $as_of, $max_left_out_files.
SELECT
    campaign_id,
    NULL AS subject,
    row_count AS message_count,
    left_out_count AS value,
    $max_left_out_files AS bound
FROM core.campaigns
WHERE planned_at >= $as_of - to_days(1) AND left_out_count > $max_left_out_files
ORDER BY campaign_id
