-- core.batch_outcomes: one row per batch that was accepted, refused, kept back or may have been accepted; their ranges of messages
-- never overlap.
-- Inputs: core.batches, core.campaigns, core.recipients, core.report_matches.
-- A believed report for any message of a batch in doubt proves that the whole batch was accepted. One that was only pushed could be forged:
-- it is a hint until a pull or an import brings it too, unless it names a number that can't be guessed.
-- A batch has up to 1000 messages, so its ids lie in one or two blocks of 1024: an equality join finds the reports in them, and only
-- those are compared with the batch. Phones are compared when these are counted: a join on the id alone reads few recipients, one on both
-- reads all.
WITH doubtful AS MATERIALIZED (
    SELECT
        b.batch_num,
        b.first_message_id,
        b.last_message_id,
        c.has_secret_key,
        unnest(generate_series(b.first_message_id // 1024, b.last_message_id // 1024)) AS block
    FROM core.batches AS b
    INNER JOIN core.campaigns AS c ON b.campaign_id = c.campaign_id
    WHERE b.state = 'in_doubt'
),

evidence AS (
    SELECT
        d.batch_num,
        bool_or(
            NOT r.is_pushed_only
            OR (d.has_secret_key AND (r.match_rule = 'mission_num' OR r.batch_num = d.batch_num))
        ) FILTER (WHERE r.phone = m.phone) AS is_proven,
        count(*) FILTER (WHERE r.phone = m.phone) AS report_count
    FROM core.report_matches AS r
    INNER JOIN doubtful AS d
        ON r.message_id // 1024 = d.block AND r.message_id BETWEEN d.first_message_id AND d.last_message_id
    INNER JOIN core.recipients AS m ON r.message_id = m.message_id
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
