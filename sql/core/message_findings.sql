-- core.message_findings: one row per finding about one message: the reports of a message that contradict each other, its status or its
-- times. Inputs: core.report_matches, core.message_status, core.batch_outcomes, core.statuses, core.batches, core.recipients.
-- Parameter: $report_window_hours.
-- A carrier may report each segment of a message: with no more reports than segments, a failure among them may be that of a part.
-- suspicious_messages is a first, cheap selection among all messages; the findings below apply the exact conditions: latencies are
-- cut to whole seconds, and a believed report without a code of the message means that the message was not sent.
-- Codes are collected in lists, since string_agg with DISTINCT sorts all reports once more and joins them to their groups.
WITH suspicious_messages AS MATERIALIZED (
    SELECT
        campaign_id,
        message_id,
        first_message_id,
        submitted_at,
        status,
        segment_count,
        latency_seconds,
        report_count,
        phone_mismatch_count
    FROM core.message_status
    WHERE
        phone_mismatch_count > 0
        OR report_count > 1
        OR latency_seconds <= -1
        OR latency_seconds >= $report_window_hours * 3600
        OR (report_count > 0 AND code IS NULL)
),

-- A mission number that contains the phone, of the message or as reported, is not shown.
reports_of_suspicious_messages AS (
    SELECT
        s.campaign_id,
        s.message_id,
        o.batch_num,
        s.submitted_at,
        s.status,
        s.segment_count,
        t.is_sent,
        t.is_reported,
        r.code,
        r.stat_time,
        r.is_delivered,
        r.received_at,
        r.phone = m.phone AS is_believed,
        CASE
            WHEN NOT contains(r.mission_num, r.phone) AND NOT contains(r.mission_num, m.phone) THEN r.mission_num
        END AS mission_num
    FROM core.report_matches AS r
    INNER JOIN suspicious_messages AS s ON r.message_id = s.message_id
    INNER JOIN core.recipients AS m ON s.message_id = m.message_id
    INNER JOIN core.statuses AS t ON s.status = t.status
    LEFT JOIN core.batch_outcomes AS o ON s.first_message_id = o.first_message_id
),

findings AS (
    SELECT
        'phone_mismatch' AS kind,
        campaign_id,
        batch_num,
        message_id,
        min(mission_num) AS mission_num,
        'code ' || code || ': reported for another phone, not believed' AS detail,
        count(*) AS occurrence_count,
        min(received_at) AS first_seen_at,
        max(received_at) AS last_seen_at
    FROM reports_of_suspicious_messages
    WHERE NOT is_believed
    GROUP BY campaign_id, batch_num, message_id, code

    UNION ALL
    SELECT
        'conflict',
        campaign_id,
        batch_num,
        message_id,
        min(mission_num),
        'codes ' || array_to_string(list_sort(list_distinct(list(code))), ', ')
        || CASE
            WHEN count(*) <= segment_count
                THEN ': of its ' || segment_count || ' segments, ' || count(*) FILTER (WHERE NOT is_delivered) || ' may have failed'
            ELSE ': both delivered and failed'
        END || '; delivered is believed',
        count(*),
        min(received_at),
        max(received_at)
    FROM reports_of_suspicious_messages
    WHERE is_believed AND is_reported
    GROUP BY campaign_id, batch_num, message_id, segment_count
    HAVING bool_or(is_delivered) AND bool_or(NOT is_delivered)

    UNION ALL
    SELECT
        'report_of_unsent',
        campaign_id,
        batch_num,
        message_id,
        min(mission_num),
        'codes ' || array_to_string(list_sort(list_distinct(list(code))), ', ')
        || ': a report of a message that is ' || status || ' with us',
        count(*),
        min(received_at),
        max(received_at)
    FROM reports_of_suspicious_messages
    WHERE is_believed AND NOT is_sent
    GROUP BY campaign_id, batch_num, message_id, status

    -- A message that was sent again, in another batch, because its batch counted as not sent, and that is reported under this batch too.
    UNION ALL
    SELECT
        'sent_twice',
        b.campaign_id,
        b.batch_num,
        r.message_id,
        min(CASE WHEN NOT contains(r.mission_num, r.phone) THEN r.mission_num END),
        'codes ' || array_to_string(list_sort(list_distinct(list(r.code))), ', ')
        || ': reported in a batch that was not sent, by our books; the message was sent again',
        count(*),
        min(r.received_at),
        max(r.received_at)
    FROM core.report_matches AS r
    INNER JOIN core.batches AS b
        ON r.batch_num = b.batch_num AND b.state = 'not_sent' AND r.message_id BETWEEN b.first_message_id AND b.last_message_id
    INNER JOIN core.message_status AS s ON r.message_id = s.message_id
    INNER JOIN core.statuses AS t ON s.status = t.status
    INNER JOIN core.recipients AS m ON r.message_id = m.message_id AND r.phone = m.phone
    WHERE t.is_sent
    GROUP BY b.campaign_id, b.batch_num, r.message_id

    UNION ALL
    SELECT
        'report_before_submission',
        campaign_id,
        batch_num,
        message_id,
        min(mission_num),
        'code ' || min(code) || ': its stat_time precedes the submission',
        count(*),
        min(received_at),
        max(received_at)
    FROM reports_of_suspicious_messages
    WHERE is_believed AND is_reported AND stat_time < submitted_at - to_seconds(1)
    GROUP BY campaign_id, batch_num, message_id

    UNION ALL
    SELECT
        'late_report',
        campaign_id,
        batch_num,
        message_id,
        min(mission_num),
        'code ' || min(code) || ': its stat_time is after the report window',
        count(*),
        min(received_at),
        max(received_at)
    FROM reports_of_suspicious_messages
    WHERE is_believed AND is_reported AND stat_time > submitted_at + to_hours($report_window_hours)
    GROUP BY campaign_id, batch_num, message_id
)

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
FROM findings
