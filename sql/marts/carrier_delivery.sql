-- marts.carrier_delivery: one row per campaign, carrier and province of the number range (the first 7 digits of the phone).
-- A number may have moved to another carrier since: the carrier is the one that the range was assigned to. Unknown ranges, and rows without
-- a valid phone, count as 'unknown', so that the rows of a campaign add up to its file.
-- Inputs: core.message_status, core.number_ranges. Parameters: $as_of, $report_window_hours.
-- Only the ranges that occur are looked up; a run of ranges never goes beyond its first four digits. Messages are counted by the number of
-- their place, the first range that is anywhere of the same carrier and province: four texts a message would take twice as long.
WITH occurring AS (
    SELECT DISTINCT number_range
    FROM core.message_status
    WHERE number_range IS NOT NULL
),

numbered AS (
    SELECT
        first_range,
        last_range,
        min(first_range) OVER (PARTITION BY carrier, carrier_zh, province, province_zh) AS place_num
    FROM core.number_ranges
),

placed AS (
    SELECT
        o.number_range,
        r.place_num
    FROM occurring AS o
    INNER JOIN numbered AS r
        ON o.number_range // 1000 = r.first_range // 1000 AND o.number_range BETWEEN r.first_range AND r.last_range
),

counts AS (
    SELECT
        s.campaign_id,
        p.place_num,
        s.status,
        count(*) AS message_count,
        sum(s.segment_count) AS segment_count,
        min(s.submitted_at) AS first_submitted_at,
        max(s.submitted_at) AS last_submitted_at
    FROM core.message_status AS s
    LEFT JOIN placed AS p ON s.number_range = p.number_range
    GROUP BY s.campaign_id, p.place_num, s.status
),

placed_counts AS (
    SELECT
        n.campaign_id,
        coalesce(r.carrier, 'unknown') AS range_carrier,
        coalesce(r.carrier_zh, '未知') AS range_carrier_zh,
        coalesce(r.province, 'unknown') AS range_province,
        coalesce(r.province_zh, '未知') AS range_province_zh,
        n.status,
        n.message_count,
        n.segment_count,
        n.first_submitted_at,
        n.last_submitted_at
    FROM counts AS n
    LEFT JOIN core.number_ranges AS r ON n.place_num = r.first_range
),

carriers_and_provinces AS (
    SELECT
        campaign_id,
        range_carrier,
        range_carrier_zh,
        range_province,
        range_province_zh,
        status_counts(status, message_count, segment_count) AS counts,
        min(first_submitted_at) AS first_submitted_at,
        max(last_submitted_at) AS last_submitted_at
    FROM placed_counts
    GROUP BY campaign_id, range_carrier, range_carrier_zh, range_province, range_province_zh
),

rated AS (
    SELECT
        r.*,
        delivery_rates(r.counts.delivered_count, r.counts.reported_count, r.counts.accepted_total_count) AS rates
    FROM carriers_and_provinces AS r
)

SELECT
    g.campaign_id,
    g.range_carrier,
    g.range_carrier_zh,
    g.range_province,
    g.range_province_zh,
    unnest(g.counts),
    unnest(g.rates),
    g.first_submitted_at,
    g.last_submitted_at,
    coalesce(g.counts.planned_count = 0 AND g.last_submitted_at < $as_of - to_hours($report_window_hours), FALSE) AS is_mature
FROM rated AS g
ORDER BY g.campaign_id, g.range_carrier, g.range_province
