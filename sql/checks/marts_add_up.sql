-- Every mart that counts messages by status agrees with core.message_status, for every campaign and each status that it counts.
-- Inputs: core.message_status, core.statuses, marts.batch_delivery, marts.campaign_delivery, marts.carrier_delivery, marts.code_breakdown,
-- marts.daily_delivery, marts.latency_histogram, marts.submit_errors.
WITH booked AS (
    SELECT
        campaign_id,
        status,
        count(*) AS message_count
    FROM core.message_status
    GROUP BY campaign_id, status
),

delivery_marts AS (
    SELECT
        'campaign_delivery' AS mart,
        campaign_id,
        COLUMNS('_count$')
    FROM marts.campaign_delivery
    UNION ALL BY NAME
    SELECT
        'daily_delivery' AS mart,
        campaign_id,
        COLUMNS('_count$')
    FROM marts.daily_delivery
    UNION ALL BY NAME
    SELECT
        'carrier_delivery' AS mart,
        campaign_id,
        COLUMNS('_count$')
    FROM marts.carrier_delivery
    UNION ALL BY NAME
    SELECT
        'batch_delivery' AS mart,
        campaign_id,
        COLUMNS('_count$')
    FROM marts.batch_delivery
    UNION ALL BY NAME
    SELECT
        'submit_errors' AS mart,
        campaign_id,
        COLUMNS('_count$')
    FROM marts.submit_errors
    UNION ALL BY NAME
    SELECT
        'latency_histogram' AS mart,
        campaign_id,
        COLUMNS('_count$')
    FROM marts.latency_histogram
),

mart_counts AS (
    UNPIVOT delivery_marts
    ON COLUMNS('_count$')
    INTO NAME column_name VALUE message_count
),

summed AS (
    SELECT
        n.mart,
        n.campaign_id,
        s.status,
        sum(n.message_count) AS message_count
    FROM mart_counts AS n
    INNER JOIN core.statuses AS s ON n.column_name = s.status || '_count'
    GROUP BY n.mart, n.campaign_id, s.status
    UNION ALL
    SELECT
        'code_breakdown' AS mart,
        campaign_id,
        CASE WHEN is_delivered THEN 'delivered' ELSE 'failed' END AS status,
        sum(message_count) AS message_count
    FROM marts.code_breakdown
    GROUP BY campaign_id, is_delivered
),

expected AS (
    SELECT
        m.mart,
        b.campaign_id,
        b.status,
        b.message_count
    FROM booked AS b
    INNER JOIN core.statuses AS s ON b.status = s.status
    CROSS JOIN (
        VALUES
        ('campaign_delivery'),
        ('daily_delivery'),
        ('carrier_delivery'),
        ('batch_delivery'),
        ('code_breakdown'),
        ('submit_errors'),
        ('latency_histogram')
    ) AS m (mart)
    WHERE
        CASE m.mart
            WHEN 'batch_delivery' THEN s.is_sent OR b.status = 'refused'
            WHEN 'code_breakdown' THEN s.is_reported
            WHEN 'submit_errors' THEN b.status = 'refused'
            WHEN 'latency_histogram' THEN b.status = 'delivered'
            ELSE TRUE
        END
)

SELECT
    mart || ', campaign ' || campaign_id || ': ' || coalesce(s.message_count, 0) || ' ' || status || ', '
    || coalesce(e.message_count, 0) || ' in the books' AS finding
FROM expected AS e
FULL JOIN summed AS s USING (mart, campaign_id, status)
WHERE coalesce(e.message_count, 0) <> coalesce(s.message_count, 0)
