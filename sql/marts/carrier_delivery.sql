-- marts.carrier_delivery: one row per campaign and carrier and province of the number range (the first 7 digits) of the phone.
-- A number may have been taken to another carrier since: this is whom its range was given to. What is in no range that is
-- known, and rows without a valid phone, stand under 'unknown', so that the rows of a campaign add up to its file.
-- Inputs: core.message_status, core.number_ranges. Parameters: $as_of, $report_window_hours.
-- Only the ranges that occur are looked up, and then joined; runs of ranges never go beyond their first four digits.
WITH occurring AS (
    SELECT DISTINCT number_range
    FROM core.message_status
    WHERE number_range IS NOT NULL
),

placed AS (
    SELECT
        o.number_range,
        r.carrier,
        r.carrier_zh,
        r.province,
        r.province_zh
    FROM occurring AS o
    INNER JOIN core.number_ranges AS r
        ON o.number_range // 1000 = r.first_range // 1000 AND o.number_range BETWEEN r.first_range AND r.last_range
),

placed_counts AS (
    SELECT
        s.campaign_id,
        coalesce(p.carrier, 'unknown') AS range_carrier,
        coalesce(p.carrier_zh, '未知') AS range_carrier_zh,
        coalesce(p.province, 'unknown') AS range_province,
        coalesce(p.province_zh, '未知') AS range_province_zh,
        s.status,
        count(*) AS message_count,
        sum(s.segment_count) AS segment_count,
        min(s.submitted_at) AS first_submitted_at,
        max(s.submitted_at) AS last_submitted_at
    FROM core.message_status AS s
    LEFT JOIN placed AS p ON s.number_range = p.number_range
    GROUP BY s.campaign_id, p.carrier, p.carrier_zh, p.province, p.province_zh, s.status
),

counts AS (
    SELECT
        campaign_id,
        range_carrier,
        range_carrier_zh,
        range_province,
        range_province_zh,
        cast(sum(message_count) AS BIGINT) AS row_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'invalid'), 0) AS BIGINT) AS invalid_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'duplicate'), 0) AS BIGINT) AS duplicate_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'suppressed'), 0) AS BIGINT) AS suppressed_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'planned'), 0) AS BIGINT) AS planned_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'refused'), 0) AS BIGINT) AS refused_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'in_doubt'), 0) AS BIGINT) AS in_doubt_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'accepted'), 0) AS BIGINT) AS accepted_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'unreported'), 0) AS BIGINT) AS unreported_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'delivered'), 0) AS BIGINT) AS delivered_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status = 'failed'), 0) AS BIGINT) AS failed_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status IN ('accepted', 'unreported', 'delivered', 'failed')), 0) AS BIGINT)
            AS accepted_total_count,
        cast(coalesce(sum(message_count) FILTER (WHERE status IN ('delivered', 'failed')), 0) AS BIGINT) AS reported_count,
        cast(coalesce(sum(segment_count) FILTER (WHERE status IN ('accepted', 'unreported', 'delivered', 'failed')), 0) AS BIGINT)
            AS accepted_segment_count,
        min(first_submitted_at) AS first_submitted_at,
        max(last_submitted_at) AS last_submitted_at
    FROM placed_counts
    GROUP BY campaign_id, range_carrier, range_carrier_zh, range_province, range_province_zh
)

SELECT
    campaign_id,
    range_carrier,
    range_carrier_zh,
    range_province,
    range_province_zh,
    row_count,
    invalid_count,
    duplicate_count,
    suppressed_count,
    planned_count,
    refused_count,
    in_doubt_count,
    accepted_count,
    unreported_count,
    delivered_count,
    failed_count,
    accepted_total_count,
    reported_count,
    accepted_segment_count,
    delivered_count / nullif(accepted_total_count, 0) AS delivered_of_accepted_rate,
    wilson_low(delivered_count, accepted_total_count) AS delivered_of_accepted_rate_low,
    wilson_high(delivered_count, accepted_total_count) AS delivered_of_accepted_rate_high,
    delivered_count / nullif(reported_count, 0) AS delivered_of_reported_rate,
    wilson_low(delivered_count, reported_count) AS delivered_of_reported_rate_low,
    wilson_high(delivered_count, reported_count) AS delivered_of_reported_rate_high,
    reported_count / nullif(accepted_total_count, 0) AS coverage_rate,
    wilson_low(reported_count, accepted_total_count) AS coverage_rate_low,
    wilson_high(reported_count, accepted_total_count) AS coverage_rate_high,
    first_submitted_at,
    last_submitted_at,
    coalesce(planned_count = 0 AND last_submitted_at < $as_of - to_hours($report_window_hours), FALSE) AS is_mature
FROM counts
ORDER BY campaign_id, range_carrier, range_province
