-- core.message_status: one row per recipient row, with its status.
-- Inputs: core.recipients, core.batch_outcomes, core.reports, core.report_matches, core.report_lookups, core.repeated_messages.
-- Parameters: $as_of, $report_window_hours.
-- A report is believed if its phone is that of the message. Delivered beats failed, then the later stat_time wins, then the later
-- arrival; code, batch_num and mission_num make the choice independent of the order of rows.
-- Few messages have more than one report, or one that was looked up: only these are ranked, and only they have a rule and counts of their
-- own, in a join of its own. All others go straight into the join that takes most of the memory, with as few columns as it needs.
WITH ranked_messages AS (
    SELECT message_id
    FROM core.repeated_messages
    UNION
    SELECT message_id
    FROM core.report_lookups
    WHERE message_id IS NOT NULL
),

ranked AS MATERIALIZED (
    SELECT
        r.message_id,
        r.phone,
        r.code,
        r.stat_time,
        r.is_delivered,
        nullif(r.match_rule, 'mission_num') AS lookup_rule,
        count(*) FILTER (WHERE r.phone = m.phone) OVER (PARTITION BY r.message_id) AS report_count,
        count(*) FILTER (WHERE r.phone <> m.phone) OVER (PARTITION BY r.message_id) AS phone_mismatch_count
    FROM core.report_matches AS r
    INNER JOIN ranked_messages AS x ON r.message_id = x.message_id
    INNER JOIN core.recipients AS m ON x.message_id = m.message_id
    QUALIFY row_number() OVER (
        PARTITION BY r.message_id
        ORDER BY
            r.phone = m.phone DESC,
            r.is_delivered DESC,
            r.stat_time DESC,
            r.received_at DESC,
            r.code ASC,
            r.batch_num ASC,
            r.mission_num ASC
    ) = 1
),

best AS (
    SELECT
        message_id,
        phone,
        code,
        stat_time,
        is_delivered
    FROM ranked
    UNION ALL
    SELECT
        r.message_id,
        r.phone,
        r.code,
        r.stat_time,
        r.is_delivered
    FROM core.reports AS r
    ANTI JOIN ranked_messages AS x ON r.message_id = x.message_id
    WHERE r.message_id IS NOT NULL
),

-- What a row of a batch is without a report is decided once for all of them.
batches AS (
    SELECT
        planned_batch,
        first_message_id,
        last_message_id,
        submitted_at,
        state = 'accepted' AS is_accepted,
        CASE
            WHEN state = 'accepted' AND submitted_at < $as_of - to_hours($report_window_hours) THEN 'unreported'
            ELSE state
        END AS status_without_report
    FROM core.batch_outcomes
),

joined AS (
    SELECT
        m.campaign_id,
        m.input_row,
        m.message_id,
        m.disposition,
        m.number_range,
        m.segment_count,
        b.status_without_report,
        b.first_message_id,
        b.submitted_at,
        r.code,
        r.stat_time,
        r.is_delivered,
        x.lookup_rule,
        CASE WHEN r.message_id IS NOT NULL THEN coalesce(x.report_count, 1) END AS report_count,
        coalesce(x.phone_mismatch_count, 0) AS phone_mismatch_count,
        m.phone = r.phone AS has_phone_of_report,
        b.is_accepted AND m.phone = r.phone AS is_reported
    FROM core.recipients AS m
    LEFT JOIN batches AS b
        ON
            campaign_key_of(m.message_id) = campaign_key_of(b.first_message_id)
            AND m.planned_batch = b.planned_batch
            AND m.message_id BETWEEN b.first_message_id AND b.last_message_id
    LEFT JOIN best AS r ON m.message_id = r.message_id
    LEFT JOIN ranked AS x ON m.message_id = x.message_id
)

SELECT
    campaign_id,
    input_row,
    message_id,
    CASE
        WHEN message_id IS NULL THEN disposition
        WHEN is_reported AND is_delivered THEN 'delivered'
        WHEN is_reported THEN 'failed'
        ELSE coalesce(status_without_report, 'planned')
    END AS status,
    CASE WHEN is_reported THEN code END AS code,
    first_message_id,
    submitted_at,
    CASE WHEN is_reported AND is_delivered THEN stat_time END AS delivered_at,
    CASE
        WHEN is_reported THEN cast((epoch_us(stat_time) - epoch_us(submitted_at)) // 1000000 AS INTEGER)
    END AS latency_seconds,
    CASE WHEN has_phone_of_report THEN lookup_rule END AS lookup_rule,
    cast(CASE WHEN has_phone_of_report THEN report_count ELSE 0 END AS INTEGER) AS report_count,
    cast(
        CASE
            WHEN has_phone_of_report THEN phone_mismatch_count
            ELSE coalesce(report_count + phone_mismatch_count, 0)
        END AS INTEGER
    ) AS phone_mismatch_count,
    number_range,
    segment_count
FROM joined
