-- campaign_delivery, daily_delivery, carrier_delivery and code_breakdown agree with core.message_status, for every campaign and
-- status.
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
    CROSS JOIN (VALUES ('campaign_delivery'), ('daily_delivery'), ('carrier_delivery'), ('code_breakdown')) AS m (mart)
    WHERE m.mart <> 'code_breakdown' OR s.is_reported
)

SELECT
    mart || ', campaign ' || campaign_id || ': ' || coalesce(s.message_count, 0) || ' ' || status || ', '
    || coalesce(e.message_count, 0) || ' in the books' AS finding
FROM expected AS e
FULL JOIN summed AS s USING (mart, campaign_id, status)
WHERE coalesce(e.message_count, 0) <> coalesce(s.message_count, 0)
