-- compare_rates: one row: the rates a_successes / a_trials and b_successes / b_trials, and their difference, b - a.
-- The 95 % interval of the difference is Newcombe's (1998, method 10), built from the Wilson intervals of the two rates. The p-value
-- is that of the two-sided test of two proportions with a common variance: erfc(x), where x is |z| / sqrt(2). DuckDB has no erfc:
-- the polynomial is erfcc of Numerical Recipes, with a relative error below 1.2e-7, however small the p-value. Without trials every
-- column is null.
-- The linter takes arguments for columns and types.
-- noqa: disable=CP05
CREATE OR REPLACE MACRO compare_rates(a_successes, a_trials, b_successes, b_trials) AS TABLE
    SELECT
        a_rate,
        b_rate,
        difference,
        difference - sqrt((b_rate - wilson_low(b_count, b_total)) ** 2 + (wilson_high(a_count, a_total) - a_rate) ** 2)
            AS difference_low,
        difference + sqrt((wilson_high(b_count, b_total) - b_rate) ** 2 + (a_rate - wilson_low(a_count, a_total)) ** 2)
            AS difference_high,
        CASE
            WHEN x = 0 THEN 1
            ELSE t * exp(
                -x * x - 1.26551223e0 + t * (
                    1.00002368e0 + t * (
                        0.37409196e0 + t * (
                            0.09678418e0 + t * (
                                -0.18628806e0 + t * (
                                    0.27886807e0
                                    + t * (-1.13520398e0 + t * (1.48851587e0 + t * (-0.82215223e0 + t * 0.17087277e0)))
                                )
                            )
                        )
                    )
                )
            )
        END AS p_value
    FROM (
        SELECT
            *,
            2 / (2 + x) AS t
        FROM (
            SELECT
                *,
                b_rate - a_rate AS difference,
                CASE
                    WHEN common_rate IN (0, 1) THEN 0
                    ELSE abs(b_rate - a_rate) / sqrt(2 * common_rate * (1 - common_rate) * (1 / a_total + 1 / b_total))
                END AS x
            FROM (
                SELECT
                    *,
                    a_count / a_total AS a_rate,
                    b_count / b_total AS b_rate,
                    (a_count + b_count) / (a_total + b_total) AS common_rate
                FROM (
                    SELECT
                        cast(a_successes AS DOUBLE) AS a_count,
                        cast(b_successes AS DOUBLE) AS b_count,
                        cast(nullif(a_trials, 0) AS DOUBLE) AS a_total,
                        cast(nullif(b_trials, 0) AS DOUBLE) AS b_total
                ) AS given
            ) AS rates
        ) AS tested
    ) AS prepared;
