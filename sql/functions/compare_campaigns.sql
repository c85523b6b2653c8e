-- compare_campaigns: three rows, one for each of the three rates, of the campaign b against the campaign a.
-- Inputs: marts.campaign_delivery, compare_deliveries. Arguments: two ids of campaigns. An id that no campaign has is an error.
-- The linter takes arguments for columns and types.
-- noqa: disable=AM04,RF02
CREATE OR REPLACE MACRO compare_campaigns(a, b) AS TABLE
    WITH known AS (
        SELECT
            CASE
                WHEN count(*) FILTER (WHERE campaign_id = a) = 0 THEN error('there is no campaign ''' || a || '''')
                WHEN count(*) FILTER (WHERE campaign_id = b) = 0 THEN error('there is no campaign ''' || b || '''')
                ELSE bool_and(is_mature) FILTER (WHERE campaign_id IN (a, b))
            END AS are_both_mature
        FROM marts.campaign_delivery
    )

    SELECT c.*
    FROM known AS k
    LEFT JOIN marts.campaign_delivery AS m ON m.campaign_id = a
    LEFT JOIN marts.campaign_delivery AS n ON n.campaign_id = b,
        compare_deliveries(
            a,
            b,
            m.delivered_count,
            m.reported_count,
            m.accepted_total_count,
            n.delivered_count,
            n.reported_count,
            n.accepted_total_count,
            k.are_both_mature
        ) AS c
    ORDER BY starts_with(c.rate_name, 'coverage'), c.rate_name;
