-- Every rate is between 0 and 1 and inside its interval, is present if its denominator is not 0, and agrees with its counts.
-- Inputs: marts.batch_delivery, marts.campaign_delivery, marts.carrier_delivery, marts.code_breakdown, marts.daily_delivery,
-- marts.latency_histogram.
WITH named AS (
    SELECT
        'campaign_delivery, campaign ' || campaign_id AS place,
        COLUMNS('^(delivered_of|coverage|delivered_count|reported|accepted_total).*')
    FROM marts.campaign_delivery
    UNION ALL
    SELECT
        'daily_delivery, campaign ' || campaign_id,
        COLUMNS('^(delivered_of|coverage|delivered_count|reported|accepted_total).*')
    FROM marts.daily_delivery
    UNION ALL
    SELECT
        'carrier_delivery, campaign ' || campaign_id || ', ' || range_carrier || ', ' || range_province,
        COLUMNS('^(delivered_of|coverage|delivered_count|reported|accepted_total).*')
    FROM marts.carrier_delivery
    UNION ALL
    SELECT
        'batch_delivery, batch ' || batch_num,
        COLUMNS('^(delivered_of|coverage|delivered_count|reported|accepted_total).*')
    FROM marts.batch_delivery
),

rates AS (
    SELECT
        place,
        'delivered_of_accepted_rate' AS name,
        delivered_count AS successes,
        accepted_total_count AS trials,
        delivered_of_accepted_rate AS rate,
        delivered_of_accepted_rate_low AS low,
        delivered_of_accepted_rate_high AS high
    FROM named
    UNION ALL
    SELECT
        place,
        'delivered_of_reported_rate',
        delivered_count,
        reported_count,
        delivered_of_reported_rate,
        delivered_of_reported_rate_low,
        delivered_of_reported_rate_high
    FROM named
    UNION ALL
    SELECT
        place,
        'coverage_rate',
        reported_count,
        accepted_total_count,
        coverage_rate,
        coverage_rate_low,
        coverage_rate_high
    FROM named
    UNION ALL
    SELECT
        'code_breakdown, campaign ' || campaign_id || ', code ' || code,
        'of_accepted_rate',
        NULL,
        NULL,
        of_accepted_rate,
        of_accepted_rate,
        of_accepted_rate
    FROM marts.code_breakdown
    UNION ALL
    SELECT
        'code_breakdown, campaign ' || campaign_id || ', code ' || code,
        'of_failed_rate',
        NULL,
        NULL,
        of_failed_rate,
        of_failed_rate,
        of_failed_rate
    FROM marts.code_breakdown
    WHERE NOT is_delivered
    UNION ALL
    SELECT
        'latency_histogram, campaign ' || campaign_id || ', ' || bucket,
        'of_delivered_rate',
        delivered_count,
        max(cumulative_count) OVER (PARTITION BY campaign_id),
        of_delivered_rate,
        of_delivered_rate,
        of_delivered_rate
    FROM marts.latency_histogram
    UNION ALL
    SELECT
        'latency_histogram, campaign ' || campaign_id || ', ' || bucket,
        'cumulative_rate',
        cumulative_count,
        max(cumulative_count) OVER (PARTITION BY campaign_id),
        cumulative_rate,
        cumulative_rate,
        cumulative_rate
    FROM marts.latency_histogram
)

SELECT place || ': ' || name || ' is ' || coalesce(cast(rate AS VARCHAR), 'missing') AS finding
FROM rates
WHERE
    CASE
        WHEN trials = 0 THEN rate IS NOT NULL
        ELSE
            NOT coalesce(rate BETWEEN 0 AND 1 AND low BETWEEN 0 AND rate + 1e-9 AND high BETWEEN rate - 1e-9 AND 1, FALSE)
            OR abs(rate * trials - successes) > 1e-3
    END
