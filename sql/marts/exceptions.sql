-- marts.exceptions: one row per finding that somebody should look at; no phones. Frequent findings are one row with a count:
-- unreported per campaign and day, in_doubt per batch, unknown_code and status_mismatch per code, reply_time_unread per channel, reject
-- per file and reason.
-- Inputs: core.report_lookups, core.report_counts, core.message_findings, core.message_counts, core.batches, core.batch_outcomes,
-- core.replies, core.gateway_codes, core.rejects, core.pulls.
-- Phones are masked in foreign mission numbers; in a number of our own form digits only look like a phone by chance.
-- first_seen_at and last_seen_at are the instants of the finding's source: reports received, batches submitted, calls made.
WITH reports AS (
    SELECT
        code,
        is_delivered,
        is_contradicted,
        report_count,
        first_received_at,
        last_received_at
    FROM core.report_counts
    UNION ALL
    SELECT
        code,
        is_delivered,
        is_contradicted,
        count(*),
        min(received_at),
        max(received_at)
    FROM core.report_lookups
    GROUP BY code, is_delivered, is_contradicted
),

findings AS (
    SELECT
        'orphan' AS kind,
        NULL AS campaign_id,
        batch_num,
        NULL AS message_id,
        CASE WHEN NOT contains(mission_num, phone) THEN mission_num END AS mission_num,
        'code ' || code || ': belongs to no message of ours' AS detail,
        1 AS occurrence_count,
        received_at AS first_seen_at,
        received_at AS last_seen_at
    FROM core.report_lookups
    WHERE message_id IS NULL

    UNION ALL
    SELECT
        kind,
        campaign_id,
        batch_num,
        message_id,
        mission_num,
        detail,
        occurrence_count,
        first_seen_at,
        last_seen_at
    FROM core.message_findings

    UNION ALL
    SELECT
        'unreported',
        campaign_id,
        NULL,
        NULL,
        NULL,
        'sent on ' || cast(submitted_on AS VARCHAR) || ': no report within the report window',
        sum(message_count),
        min(submitted_at),
        max(submitted_at)
    FROM core.message_counts
    WHERE status = 'unreported'
    GROUP BY campaign_id, submitted_on

    UNION ALL
    SELECT
        'in_doubt',
        o.campaign_id,
        o.batch_num,
        NULL,
        NULL,
        'may have been sent' || coalesce(', error code ' || o.error_code, ', no answer that can be trusted'),
        b.message_count,
        o.submitted_at,
        o.submitted_at
    FROM core.batch_outcomes AS o
    INNER JOIN core.batches AS b ON o.batch_num = b.batch_num
    WHERE o.state = 'in_doubt'

    UNION ALL
    SELECT
        'unknown_code',
        NULL,
        NULL,
        NULL,
        NULL,
        'code ' || r.code || ': is in no table of the vendor',
        sum(r.report_count),
        min(r.first_received_at),
        max(r.last_received_at)
    FROM reports AS r
    ANTI JOIN core.gateway_codes AS g ON r.code = g.code
    GROUP BY r.code

    UNION ALL
    SELECT
        'status_mismatch',
        NULL,
        NULL,
        NULL,
        NULL,
        'code ' || code || ': receive_status says ' || CASE WHEN is_delivered THEN 'failed' ELSE 'delivered' END
        || '; the code is believed',
        sum(report_count),
        min(first_received_at),
        max(last_received_at)
    FROM reports
    WHERE is_contradicted
    GROUP BY code, is_delivered

    UNION ALL
    SELECT
        'reply_time_unread',
        NULL,
        NULL,
        NULL,
        NULL,
        CASE WHEN is_pushed THEN 'pushed' ELSE 'pulled' END || ' with a time that can''t be read: the time of receipt counts',
        count(*),
        min(received_at),
        max(received_at)
    FROM core.replies
    WHERE json_extract_string(extra, '/replied_at_from') = 'received_at'
    GROUP BY is_pushed

    UNION ALL
    SELECT
        'reject',
        NULL,
        NULL,
        NULL,
        NULL,
        r.kind || ' of ' || r.source_file || ': ' || r.reason,
        count(*),
        min(p.called_at),
        max(p.called_at)
    FROM core.rejects AS r
    LEFT JOIN core.pulls AS p ON r.source_file = p.source_file
    GROUP BY r.kind, r.source_file, r.reason
)

SELECT
    kind,
    campaign_id,
    batch_num,
    cast(message_id AS BIGINT) AS message_id,
    CASE
        WHEN has_mission_num_form(mission_num) THEN mission_num
        ELSE mask_phones_in_text(mission_num)
    END AS mission_num,
    detail,
    cast(occurrence_count AS BIGINT) AS occurrence_count,
    first_seen_at,
    last_seen_at
FROM findings
ORDER BY kind, campaign_id, batch_num, message_id, mission_num, detail, first_seen_at
