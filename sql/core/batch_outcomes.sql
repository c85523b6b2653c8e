-- core.batch_outcomes: one row per batch that was accepted, refused, kept back or may have been accepted; their ranges of messages
-- never overlap.
-- Inputs: core.batches, core.campaigns, core.recipients, core.report_matches.
-- A believed report for any message of a batch in doubt proves that the whole batch was accepted. One that was only pushed could be forged:
-- it is a hint until a pull or an import brings it too, unless it names a number that can't be guessed.
WITH doubtful AS MATERIALIZED (
    SELECT
        b.batch_num,
        b.campaign_id,
        m.message_id,
        m.phone
    FROM core.batches AS b
    INNER JOIN core.recipients AS m
        ON
            b.campaign_id = m.campaign_id
            AND b.planned_batch = m.planned_batch
            AND m.message_id BETWEEN b.first_message_id AND b.last_message_id
    WHERE b.state = 'in_doubt'
),

evidence AS (
    SELECT
        d.batch_num,
        bool_or(
            NOT r.is_pushed_only
            OR (c.has_secret_key AND (r.match_rule = 'mission_num' OR r.batch_num = d.batch_num))
        ) AS is_proven,
        count(*) AS report_count
    FROM core.report_matches AS r
    INNER JOIN doubtful AS d ON r.message_id = d.message_id AND r.phone = d.phone
    INNER JOIN core.campaigns AS c ON d.campaign_id = c.campaign_id
    GROUP BY d.batch_num
)

SELECT
    b.batch_num,
    b.campaign_id,
    b.planned_batch,
    b.first_message_id,
    b.last_message_id,
    CASE WHEN e.is_proven THEN 'accepted' ELSE b.state END AS state,
    coalesce(e.is_proven, FALSE) AS is_proven_by_report,
    CASE WHEN e.is_proven THEN 0 ELSE coalesce(e.report_count, 0) END AS hint_count,
    b.error_code,
    CASE WHEN b.state <> 'suppressed' THEN b.submitted_at END AS submitted_at,
    CASE WHEN b.state <> 'suppressed' THEN b.submitted_on END AS submitted_on
FROM core.batches AS b
LEFT JOIN evidence AS e ON b.batch_num = e.batch_num
WHERE b.state IN ('accepted', 'refused', 'in_doubt', 'suppressed')
