-- compare_variants: three rows, one for each of the three rates, of two values of one of the owner's columns in one campaign.
-- Inputs: delivery_by, compare_deliveries. Arguments: the campaign, the column, the two values. A column or a value that no row
-- has is an error.
-- The linter takes arguments for columns and types.
-- noqa: disable=AM04,CP05,RF02
CREATE OR REPLACE MACRO compare_variants(campaign, column_name, a, b) AS TABLE
    SELECT c.*
    FROM (
        SELECT
            max(delivered_count) FILTER (WHERE value = cast(a AS VARCHAR)) AS a_delivered,
            max(reported_count) FILTER (WHERE value = cast(a AS VARCHAR)) AS a_reported,
            max(accepted_total_count) FILTER (WHERE value = cast(a AS VARCHAR)) AS a_accepted,
            max(delivered_count) FILTER (WHERE value = cast(b AS VARCHAR)) AS b_delivered,
            max(reported_count) FILTER (WHERE value = cast(b AS VARCHAR)) AS b_reported,
            max(accepted_total_count) FILTER (WHERE value = cast(b AS VARCHAR)) AS b_accepted,
            CASE
                WHEN count(*) = 0 THEN error('there is no campaign ''' || campaign || '''')
                WHEN count(*) FILTER (WHERE value = cast(a AS VARCHAR)) = 0 THEN error('no row has the value ''' || a || '''')
                WHEN count(*) FILTER (WHERE value = cast(b AS VARCHAR)) = 0 THEN error('no row has the value ''' || b || '''')
                ELSE bool_and(is_mature)
            END AS are_both_mature
        FROM delivery_by(column_name, campaign := campaign)
    ) AS k,
        compare_deliveries(
            cast(a AS VARCHAR),
            cast(b AS VARCHAR),
            k.a_delivered,
            k.a_reported,
            k.a_accepted,
            k.b_delivered,
            k.b_reported,
            k.b_accepted,
            k.are_both_mature
        ) AS c
    ORDER BY starts_with(c.rate_name, 'coverage'), c.rate_name;
