-- The intervals of marts.balance_reconciliation are contiguous from the first balance to the last, and contain each batch that was accepted
-- in between exactly once.
-- Inputs: core.balances, core.batches, marts.balance_reconciliation, marts.batch_delivery.
WITH balances AS (
    SELECT
        greatest(count(*) - 1, 0) AS interval_count,
        min(queried_at) AS first_at,
        max(queried_at) AS last_at,
        coalesce(max_by(balance_count, (queried_at, source_file)) - min_by(balance_count, (queried_at, source_file)), 0) AS gain
    FROM core.balances
),

charged AS (
    SELECT coalesce(sum(d.accepted_segment_count), 0) AS segment_count
    FROM marts.batch_delivery AS d
    INNER JOIN core.batches AS b ON d.batch_num = b.batch_num
    CROSS JOIN balances AS t
    WHERE
        batch_answered_at(b.submitted_at, b.answered_at) > t.first_at
        AND batch_answered_at(b.submitted_at, b.answered_at) <= t.last_at
),

intervals AS (
    SELECT
        count(*) AS interval_count,
        coalesce(sum(accepted_segment_count), 0) AS segment_count,
        coalesce(sum(unexplained_count), 0) AS unexplained_count
    FROM marts.balance_reconciliation
)

SELECT
    t.interval_count || ' intervals of ' || c.segment_count || ' segments between the balances, ' || i.interval_count || ' of '
    || i.segment_count || ' in the mart' AS finding
FROM balances AS t
CROSS JOIN charged AS c
CROSS JOIN intervals AS i
WHERE
    t.interval_count <> i.interval_count
    OR c.segment_count <> i.segment_count
    OR t.gain + c.segment_count <> i.unexplained_count
