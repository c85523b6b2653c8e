-- alert low_delivery_rate: one row per live campaign whose delivery rate is surely too low: even the upper end of its 95 % Wilson interval
-- is below the bound. The subject names the messages that the rate refers to: accepted or reported.
-- Input: live_campaigns. Parameters: $as_of, $report_window_hours, $min_delivery_rate, $min_message_count.
SELECT
    campaign_id,
    rated AS subject,
    rated_count AS message_count,
    rate AS value,
    $min_delivery_rate AS bound
FROM live_campaigns($as_of, $report_window_hours)
WHERE rated_count >= $min_message_count AND rate_high < $min_delivery_rate
ORDER BY campaign_id
