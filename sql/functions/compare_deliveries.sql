-- compare_deliveries: three rows, one for each of the three rates, of b against a; the common part of compare_campaigns and
-- compare_variants. Input: compare_rates.
-- Arguments: the names of both; of each the messages delivered, reported (delivered + failed) and accepted; are_both_mature.
-- The verdict follows from the 95 % interval of the difference: one is better only if the interval lies on one side of 0.
-- The linter takes arguments for columns and types.
-- noqa: disable=AL09,RF02
CREATE OR REPLACE MACRO compare_deliveries(
    a, b, a_delivered, a_reported, a_accepted, b_delivered, b_reported, b_accepted, are_both_mature
) AS TABLE
    SELECT
        n.rate_name,
        a AS a,
        n.a_count,
        n.a_total_count,
        r.a_rate,
        b AS b,
        n.b_count,
        n.b_total_count,
        r.b_rate,
        r.difference,
        r.difference_low,
        r.difference_high,
        r.p_value,
        are_both_mature AS is_mature,
        CASE
            WHEN r.difference IS NULL THEN 'nothing to compare'
            WHEN NOT are_both_mature THEN 'too early to say'
            WHEN r.difference_low > 0 THEN b || ' is better'
            WHEN r.difference_high < 0 THEN a || ' is better'
            ELSE 'no difference shown'
        END AS verdict
    FROM (
        SELECT
            'delivered_of_accepted' AS rate_name,
            a_delivered AS a_count,
            a_accepted AS a_total_count,
            b_delivered AS b_count,
            b_accepted AS b_total_count
        UNION ALL
        SELECT
            'delivered_of_reported',
            a_delivered,
            a_reported,
            b_delivered,
            b_reported
        UNION ALL
        SELECT
            'coverage',
            a_reported,
            a_accepted,
            b_reported,
            b_accepted
    ) AS n,
        compare_rates(n.a_count, n.a_total_count, n.b_count, n.b_total_count) AS r;
