-- The 95 % Wilson interval of `successes` out of `trials`, from 0 to 1; null without trials.
-- z = 1.959963984540054. Unlike p ± z·sqrt(p(1-p)/n) it stays inside 0 and 1, and is right for 0 of n, n of n and small n.
-- The constants are written as doubles (…e0): as decimals they leave no room for large counts.
CREATE OR REPLACE MACRO wilson_low(successes, trials) AS CASE
    WHEN trials > 0
        THEN greatest(
            0e0,
            (
                2e0 * successes + 3.841458820694124e0
                - 1.959963984540054e0 * sqrt(3.841458820694124e0 + 4e0 * successes * (trials - successes) / trials)
            ) / (2e0 * (trials + 3.841458820694124e0))
        )
END;

CREATE OR REPLACE MACRO wilson_high(successes, trials) AS CASE
    WHEN trials > 0
        THEN least(
            1e0,
            (
                2e0 * successes + 3.841458820694124e0
                + 1.959963984540054e0 * sqrt(3.841458820694124e0 + 4e0 * successes * (trials - successes) / trials)
            ) / (2e0 * (trials + 3.841458820694124e0))
        )
END;
