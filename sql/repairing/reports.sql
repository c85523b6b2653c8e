-- One row per phone that reports name with a batch_num: the time of the first report.
-- Input: core.reports. Parameters: $first_batch_num, $last_batch_num (of one campaign), $has_secret_key.
-- A report that only was pushed proves nothing where the key can be guessed: whoever knows the endpoint can name a batch.
SELECT
    batch_num,
    phone,
    min(stat_time) AS reported_at
FROM core.reports
WHERE batch_num BETWEEN $first_batch_num AND $last_batch_num AND ($has_secret_key OR is_pulled OR is_imported)
GROUP BY batch_num, phone
ORDER BY batch_num, phone
