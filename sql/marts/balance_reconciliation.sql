-- marts.balance_reconciliation: one row per interval between two queried balances: the change of the balance against the segments that the
-- gateway accepted from us. Inputs: core.balances, core.batches, core.message_counts, core.statuses.
-- A batch counts from the moment at which its outcome was known, but the gateway may have charged it any time since it was submitted. So
-- batches in flight at either balance, and batches in doubt, may explain a negative difference. A top-up or a refund is a positive
-- difference that nothing explains.
WITH segments AS (
    SELECT
        n.batch_num,
        coalesce(sum(n.segment_count) FILTER (WHERE s.is_accepted), 0) AS accepted_segment_count,
        coalesce(sum(n.segment_count) FILTER (WHERE NOT s.is_accepted), 0) AS in_doubt_segment_count,
        sum(n.segment_count) AS segment_count
    FROM core.message_counts AS n
    INNER JOIN core.statuses AS s ON n.status = s.status
    WHERE s.is_sent
    GROUP BY n.batch_num
),

events AS (
    SELECT
        batch_left_at(b.submitted_at, b.answered_at) AS happened_at,
        0 AS is_balance,
        '' AS source_file,
        NULL AS balance_count,
        0 AS accepted_segment_count,
        0 AS in_doubt_segment_count,
        s.segment_count AS in_flight_segment_count
    FROM core.batches AS b
    INNER JOIN segments AS s ON b.batch_num = s.batch_num
    UNION ALL
    SELECT
        batch_answered_at(b.submitted_at, b.answered_at),
        0,
        '',
        NULL,
        s.accepted_segment_count,
        s.in_doubt_segment_count,
        -s.segment_count
    FROM core.batches AS b
    INNER JOIN segments AS s ON b.batch_num = s.batch_num
    UNION ALL
    SELECT
        queried_at,
        1,
        source_file,
        balance_count,
        0,
        0,
        0
    FROM core.balances
),

-- Running sums; events at the instant of a balance count as before it.
summed AS (
    SELECT
        happened_at,
        source_file,
        balance_count,
        sum(accepted_segment_count) OVER so_far AS accepted_segment_count,
        sum(in_doubt_segment_count) OVER so_far AS in_doubt_segment_count,
        sum(in_flight_segment_count) OVER so_far AS in_flight_segment_count
    FROM events
    WINDOW so_far AS (ORDER BY happened_at, is_balance, source_file)
),

intervals AS (
    SELECT
        lag(happened_at) OVER by_time AS began_at,
        happened_at AS ended_at,
        lag(balance_count) OVER by_time AS opening_balance_count,
        balance_count AS closing_balance_count,
        cast(accepted_segment_count - lag(accepted_segment_count) OVER by_time AS BIGINT) AS accepted_segment_count,
        cast(in_doubt_segment_count - lag(in_doubt_segment_count) OVER by_time AS BIGINT) AS in_doubt_segment_count,
        cast(lag(in_flight_segment_count) OVER by_time AS BIGINT) AS opening_in_flight_segment_count,
        cast(in_flight_segment_count AS BIGINT) AS closing_in_flight_segment_count,
        source_file
    FROM summed
    WHERE balance_count IS NOT NULL
    WINDOW by_time AS (ORDER BY happened_at, source_file)
)

SELECT
    began_at,
    ended_at,
    opening_balance_count,
    closing_balance_count,
    accepted_segment_count,
    in_doubt_segment_count,
    opening_in_flight_segment_count,
    closing_in_flight_segment_count,
    closing_balance_count - opening_balance_count + accepted_segment_count AS unexplained_count,
    closing_balance_count - opening_balance_count + accepted_segment_count
    BETWEEN -(in_doubt_segment_count + closing_in_flight_segment_count) AND opening_in_flight_segment_count AS is_explained
FROM intervals
WHERE began_at IS NOT NULL
ORDER BY ended_at, source_file
