-- compare_campaigns: three rows, one for each of the three rates, of the campaign b against the campaign a.
-- Inputs: marts.campaign_delivery, compare_deliveries. Arguments: two ids of campaigns. An unknown id is an error.
-- The linter takes arguments for columns and types.
-- noqa: disable=AM04,RF02
CREATE OR REPLACE MACRO compare_campaigns(a, b) AS TABLE
    SELECT c.*
    FROM (
        SELECT
            max(delivered_count) FILTER (WHERE campaign_id = a) AS a_delivered,
            max(reported_count) FILTER (WHERE campaign_id = a) AS a_reported,
            max(accepted_total_count) FILTER (WHERE campaign_id = a) AS a_accepted,
            max(delivered_count) FILTER (WHERE campaign_id = b) AS b_delivered,
            max(reported_count) FILTER (WHERE campaign_id = b) AS b_reported,
            max(accepted_total_count) FILTER (WHERE campaign_id = b) AS b_accepted,
            CASE
                WHEN count(*) FILTER (WHERE campaign_id = a) = 0 THEN error('there is no campaign ''' || a || '''')
                WHEN count(*) FILTER (WHERE campaign_id = b) = 0 THEN error('there is no campaign ''' || b || '''')
                ELSE bool_and(is_mature)
            END AS are_both_mature
        FROM marts.campaign_delivery
        WHERE campaign_id IN (a, b)
    ) AS k,
        compare_deliveries(
            a, b, k.a_delivered, k.a_reported, k.a_accepted, k.b_delivered, k.b_reported, k.b_accepted, k.are_both_mature
        ) AS c
    ORDER BY starts_with(c.rate_name, 'coverage'), c.rate_name;
