-- marts.batches_in_doubt: one row per batch that may have been sent and is not settled, with what the balance suggests.
-- Inputs: core.batch_outcomes, core.batches, core.message_counts, core.statuses, core.balances.
-- Between the last balance before a batch was submitted and the first one after its request ended, the account was charged for the accepted
-- messages; a remaining difference was charged for the messages in doubt, or by another sender.
WITH segments AS (
    SELECT
        n.batch_num,
        NOT t.is_accepted AS is_in_doubt,
        batch_left_at(b.submitted_at, b.answered_at) AS left_at,
        batch_answered_at(b.submitted_at, b.answered_at) AS answered_at,
        cast(sum(n.segment_count) AS BIGINT) AS segment_count
    FROM core.message_counts AS n
    INNER JOIN core.batches AS b ON n.batch_num = b.batch_num
    INNER JOIN core.statuses AS t ON n.status = t.status
    WHERE t.is_sent
    GROUP BY ALL
),

doubts AS (
    SELECT
        o.campaign_id,
        o.batch_num,
        b.message_count,
        s.segment_count,
        b.submitted_at,
        s.left_at,
        s.answered_at AS doubted_at,
        b.error_code,
        b.http_status,
        b.detail,
        o.hint_count
    FROM core.batch_outcomes AS o
    INNER JOIN core.batches AS b ON o.batch_num = b.batch_num
    INNER JOIN segments AS s ON o.batch_num = s.batch_num
    WHERE o.state = 'in_doubt'
),

framed AS (
    SELECT
        d.batch_num,
        max(t.queried_at) FILTER (WHERE t.queried_at <= d.left_at) AS opening_balance_at,
        max_by(t.balance_count, (t.queried_at, t.source_file)) FILTER (WHERE t.queried_at <= d.left_at) AS opening_balance_count,
        min(t.queried_at) FILTER (WHERE t.queried_at > d.doubted_at) AS closing_balance_at,
        min_by(t.balance_count, (t.queried_at, t.source_file)) FILTER (WHERE t.queried_at > d.doubted_at) AS closing_balance_count
    FROM doubts AS d
    CROSS JOIN core.balances AS t
    GROUP BY d.batch_num
),

-- An accepted batch lies between the balances if its answer does; a batch in doubt, if it was submitted between them.
between_them AS (
    SELECT
        f.batch_num,
        cast(coalesce(sum(s.segment_count) FILTER (
            WHERE NOT s.is_in_doubt AND s.answered_at > f.opening_balance_at AND s.answered_at <= f.closing_balance_at
        ), 0) AS BIGINT) AS accepted_segment_count,
        cast(coalesce(sum(s.segment_count) FILTER (
            WHERE s.is_in_doubt AND s.left_at >= f.opening_balance_at AND s.left_at <= f.closing_balance_at
        ), 0) AS BIGINT) AS in_doubt_segment_count
    FROM framed AS f
    CROSS JOIN segments AS s
    WHERE f.opening_balance_at IS NOT NULL AND f.closing_balance_at IS NOT NULL
    GROUP BY f.batch_num
)

SELECT
    d.campaign_id,
    d.batch_num,
    d.message_count,
    d.segment_count,
    d.submitted_at,
    d.doubted_at,
    d.error_code,
    d.http_status,
    d.detail,
    d.hint_count,
    f.opening_balance_count,
    f.opening_balance_at,
    f.closing_balance_count,
    f.closing_balance_at,
    t.accepted_segment_count,
    t.in_doubt_segment_count,
    f.opening_balance_count - f.closing_balance_count - t.accepted_segment_count AS charged_count
FROM doubts AS d
LEFT JOIN framed AS f ON d.batch_num = f.batch_num
LEFT JOIN between_them AS t ON d.batch_num = t.batch_num
ORDER BY d.submitted_at, d.batch_num
