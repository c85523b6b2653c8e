-- figure code_days: one row per day of sending and failing code, with its share of the day's reported messages.
-- Inputs: main.messages, marts.code_breakdown, marts.daily_delivery. Parameter: $day_count, counted back from the last day.
WITH days AS (
    SELECT
        submitted_on,
        code,
        status,
        count(*) AS message_count
    FROM main.messages
    WHERE
        code IS NOT NULL
        AND submitted_on > (SELECT max(last_days.submitted_on) FROM marts.daily_delivery AS last_days) - cast($day_count AS INTEGER)
    GROUP BY ALL
),

codes AS (
    SELECT
        code,
        any_value(meaning) AS meaning,
        any_value(meaning_zh) AS meaning_zh,
        bool_and(is_known) AS is_known
    FROM marts.code_breakdown
    GROUP BY code
)

SELECT
    d.submitted_on,
    d.code,
    k.meaning,
    k.meaning_zh,
    k.is_known,
    d.message_count,
    cast(sum(d.message_count) OVER (PARTITION BY d.submitted_on) AS BIGINT) AS reported_count,
    d.message_count / sum(d.message_count) OVER (PARTITION BY d.submitted_on) AS share
FROM days AS d
INNER JOIN codes AS k ON d.code = k.code
QUALIFY d.status = 'failed'
ORDER BY d.submitted_on ASC, d.message_count DESC, d.code ASC
