-- The 95 % Wilson interval of `successes` out of `trials`, from 0 to 1; null without trials.
-- z = 1.959963984540054. Unlike p ± z·sqrt(p(1-p)/n) it stays inside 0 and 1, and is right for 0 of n, n of n and small n.
CREATE OR REPLACE TEMP MACRO wilson_low(successes, trials) AS CASE
    WHEN trials > 0
        THEN greatest(
            0.0,
            (
                2.0 * successes + 3.841458820694124
                - 1.959963984540054 * sqrt(3.841458820694124 + 4.0 * successes * (trials - successes) / trials)
            ) / (2.0 * (trials + 3.841458820694124))
        )
END;

CREATE OR REPLACE TEMP MACRO wilson_high(successes, trials) AS CASE
    WHEN trials > 0
        THEN least(
            1.0,
            (
                2.0 * successes + 3.841458820694124
                + 1.959963984540054 * sqrt(3.841458820694124 + 4.0 * successes * (trials - successes) / trials)
            ) / (2.0 * (trials + 3.841458820694124))
        )
END;
