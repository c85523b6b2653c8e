-- compare_variants: three rows, one for each of the three rates, of two values of one of the owner's columns in one campaign.
-- Inputs: delivery_by, compare_deliveries. Arguments: the campaign, the column, the two values. A column or a value that no row has is an error.
-- The linter takes arguments for columns and types.
-- noqa: disable=AM04,CP05,RF02
CREATE OR REPLACE MACRO compare_variants(campaign, column_name, a, b) AS TABLE
    WITH variants AS (
        SELECT * FROM delivery_by(column_name, campaign := campaign)
    ),

    known AS (
        SELECT
            CASE
                WHEN count(*) = 0 THEN error('there is no campaign ''' || campaign || '''')
                WHEN count(*) FILTER (WHERE value = cast(a AS VARCHAR)) = 0 THEN error('no row has the value ''' || a || '''')
                WHEN count(*) FILTER (WHERE value = cast(b AS VARCHAR)) = 0 THEN error('no row has the value ''' || b || '''')
                ELSE bool_and(is_mature)
            END AS are_both_mature
        FROM variants
    )

    SELECT c.*
    FROM known AS k
    LEFT JOIN variants AS m ON m.value = cast(a AS VARCHAR)
    LEFT JOIN variants AS n ON n.value = cast(b AS VARCHAR),
        compare_deliveries(
            cast(a AS VARCHAR),
            cast(b AS VARCHAR),
            m.delivered_count,
            m.reported_count,
            m.accepted_total_count,
            n.delivered_count,
            n.reported_count,
            n.accepted_total_count,
            k.are_both_mature
        ) AS c
    ORDER BY starts_with(c.rate_name, 'coverage'), c.rate_name;
