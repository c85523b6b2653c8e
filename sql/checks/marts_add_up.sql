-- campaign_delivery, daily_delivery, carrier_delivery and code_breakdown say what core.message_status says, for every campaign and
-- status.
WITH booked AS (
    SELECT
        campaign_id,
        status,
        count(*) AS message_count
    FROM core.message_status
    GROUP BY campaign_id, status
),

by_campaign AS (
    UNPIVOT marts.campaign_delivery
    ON
    invalid_count AS invalid, duplicate_count AS duplicate, suppressed_count AS suppressed, planned_count AS planned,
    refused_count AS refused, in_doubt_count AS in_doubt, accepted_count AS accepted, unreported_count AS unreported,
    delivered_count AS delivered, failed_count AS failed
    INTO NAME status VALUE message_count
),

by_day AS (
    UNPIVOT marts.daily_delivery
    ON
    invalid_count AS invalid, duplicate_count AS duplicate, suppressed_count AS suppressed, planned_count AS planned,
    refused_count AS refused, in_doubt_count AS in_doubt, accepted_count AS accepted, unreported_count AS unreported,
    delivered_count AS delivered, failed_count AS failed
    INTO NAME status VALUE message_count
),

by_number_range AS (
    UNPIVOT marts.carrier_delivery
    ON
    invalid_count AS invalid, duplicate_count AS duplicate, suppressed_count AS suppressed, planned_count AS planned,
    refused_count AS refused, in_doubt_count AS in_doubt, accepted_count AS accepted, unreported_count AS unreported,
    delivered_count AS delivered, failed_count AS failed
    INTO NAME status VALUE message_count
),

said AS (
    SELECT
        'campaign_delivery' AS mart,
        campaign_id,
        status,
        message_count
    FROM by_campaign
    UNION ALL
    SELECT
        'daily_delivery',
        campaign_id,
        status,
        message_count
    FROM by_day
    UNION ALL
    SELECT
        'carrier_delivery',
        campaign_id,
        status,
        message_count
    FROM by_number_range
    UNION ALL
    SELECT
        'code_breakdown',
        campaign_id,
        CASE WHEN is_delivered THEN 'delivered' ELSE 'failed' END,
        message_count
    FROM marts.code_breakdown
),

summed AS (
    SELECT
        mart,
        campaign_id,
        status,
        sum(message_count) AS message_count
    FROM said
    GROUP BY mart, campaign_id, status
),

expected AS (
    SELECT
        m.mart,
        b.campaign_id,
        b.status,
        b.message_count
    FROM booked AS b
    CROSS JOIN (VALUES ('campaign_delivery'), ('daily_delivery'), ('carrier_delivery'), ('code_breakdown')) AS m (mart)
    WHERE m.mart <> 'code_breakdown' OR b.status IN ('delivered', 'failed')
)

SELECT
    mart || ', campaign ' || campaign_id || ': ' || coalesce(s.message_count, 0) || ' ' || status || ', '
    || coalesce(e.message_count, 0) || ' in the books' AS finding
FROM expected AS e
FULL JOIN summed AS s USING (mart, campaign_id, status)
WHERE coalesce(e.message_count, 0) <> coalesce(s.message_count, 0)
