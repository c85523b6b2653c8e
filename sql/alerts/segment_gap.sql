-- alert segment_gap: one row if the gateway has charged more segments since yesterday than we count; subject is how many more.
-- Input: marts.balance_reconciliation. Parameters: $as_of, $max_segment_gap, $min_message_count.
-- Only intervals in which something was accepted count, and none in which the balance grew: that is a top-up. What is in doubt or in
-- flight may have been charged. A charge that comes late is missing in one interval and too much in the next, so intervals are summed.
WITH summed AS (
    SELECT
        sum(accepted_segment_count) AS accepted_count,
        -sum(unexplained_count + in_doubt_segment_count + closing_in_flight_segment_count) AS gap_count
    FROM marts.balance_reconciliation
    WHERE
        ended_at >= $as_of - to_days(1)
        AND accepted_segment_count > 0
        AND unexplained_count <= accepted_segment_count
)

SELECT
    NULL AS campaign_id,
    cast(cast(gap_count AS BIGINT) AS VARCHAR) AS subject,
    cast(accepted_count AS BIGINT) AS message_count,
    least(gap_count / accepted_count, 1) AS value,
    $max_segment_gap AS bound
FROM summed
WHERE accepted_count >= $min_message_count AND least(gap_count / accepted_count, 1) > $max_segment_gap
