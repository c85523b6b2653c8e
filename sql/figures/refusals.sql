-- figure refusals: one row per error code with which messages of the campaign were refused.
-- Input: marts.submit_errors. Parameter: $campaign_id.
SELECT
    error_code,
    refused_count AS message_count,
    meaning,
    meaning_zh
FROM marts.submit_errors
WHERE campaign_id = $campaign_id AND refused_count > 0
ORDER BY message_count DESC, error_code ASC
