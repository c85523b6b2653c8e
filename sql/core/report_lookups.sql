-- core.report_lookups: one row per report whose mission_num can't be decoded to a message of ours (campaign key known, position inside
-- the campaign).
-- Inputs: core.reports, core.campaigns, core.recipients, core.batches. Parameter: $report_window_hours.
-- Tried in this order: the mission_num among those of the input files (own_mission_num); without a mission_num, the phone among the
-- messages of the batch (batch_phone); without a batch_num too, the only message sent to the phone within the report window before the
-- report (phone_time). A report that matches no message is an orphan: its message_id is null.
-- The ids that are decoded but not ours are found first: then the other columns are read of these reports alone.
WITH foreign_ids AS (
    SELECT DISTINCT r.message_id
    FROM core.reports AS r
    ANTI JOIN core.campaigns AS c
        ON
            campaign_key_of(r.message_id) = c.campaign_key
            AND position_of(r.message_id) < c.message_count
    WHERE r.message_id IS NOT NULL
),

unplaced AS MATERIALIZED (
    SELECT
        mission_num,
        phone,
        code,
        stat_time,
        batch_num,
        is_delivered,
        received_at,
        is_pushed_only(is_pushed, is_pulled, is_imported) AS is_pushed_only,
        is_contradicted(receive_status, is_delivered) AS is_contradicted,
        message_id AS foreign_message_id
    FROM core.reports
    WHERE message_id IS NULL
    UNION ALL
    SELECT
        r.mission_num,
        r.phone,
        r.code,
        r.stat_time,
        r.batch_num,
        r.is_delivered,
        r.received_at,
        is_pushed_only(r.is_pushed, r.is_pulled, r.is_imported),
        is_contradicted(r.receive_status, r.is_delivered),
        r.message_id
    FROM core.reports AS r
    INNER JOIN foreign_ids AS f ON r.message_id = f.message_id
),

-- A plan refuses numbers that another campaign has used. If two campaigns have the same number nevertheless, a report still counts
-- once: for the campaign of its batch, else of its phone, else for the newer one.
by_own_mission_num AS (
    SELECT
        u.*,
        m.message_id
    FROM unplaced AS u
    INNER JOIN core.recipients AS m ON u.mission_num = m.mission_num
    INNER JOIN core.campaigns AS c ON m.campaign_id = c.campaign_id
    LEFT JOIN core.batches AS b ON u.batch_num = b.batch_num
    WHERE c.has_own_mission_nums AND m.message_id IS NOT NULL AND u.mission_num <> ''
    QUALIFY row_number() OVER (
        PARTITION BY u.mission_num, u.phone, u.code, u.stat_time, u.batch_num
        ORDER BY
            coalesce(m.campaign_id = b.campaign_id, FALSE) DESC,
            m.phone = u.phone DESC,
            c.planned_at DESC,
            m.message_id DESC
    ) = 1
),

-- Materialized, so that the few batches are found first and the recipients are scanned once against them.
reports_without_mission_num AS MATERIALIZED (
    SELECT
        u.*,
        b.campaign_id,
        b.planned_batch,
        b.first_message_id,
        b.last_message_id
    FROM unplaced AS u
    INNER JOIN core.batches AS b ON u.batch_num = b.batch_num
    WHERE u.mission_num = ''
),

by_batch_phone AS (
    SELECT
        u.mission_num,
        u.phone,
        u.code,
        u.stat_time,
        u.batch_num,
        u.is_delivered,
        u.received_at,
        u.is_pushed_only,
        u.is_contradicted,
        u.foreign_message_id,
        m.message_id
    FROM reports_without_mission_num AS u
    INNER JOIN core.recipients AS m
        ON
            u.campaign_id = m.campaign_id
            AND u.planned_batch = m.planned_batch
            AND u.phone = m.phone
            AND m.message_id BETWEEN u.first_message_id AND u.last_message_id
),

-- Materialized for the same reason.
reports_without_numbers AS MATERIALIZED (
    SELECT *
    FROM unplaced
    WHERE mission_num = '' AND batch_num = ''
),

-- A message of a batch in doubt makes the match ambiguous, but is never matched itself: phone and time alone don't prove that its batch
-- was accepted, since another sender may use the same account. A stat_time has no fractions of a second.
by_phone_time AS (
    SELECT
        u.*,
        m.message_id
    FROM reports_without_numbers AS u
    INNER JOIN core.recipients AS m ON u.phone = m.phone
    INNER JOIN core.batches AS b
        ON
            m.campaign_id = b.campaign_id
            AND m.planned_batch = b.planned_batch
            AND m.message_id BETWEEN b.first_message_id AND b.last_message_id
            AND b.state IN ('accepted', 'in_doubt')
            AND u.stat_time >= b.submitted_at - to_seconds(1)
            AND u.stat_time <= b.submitted_at + to_hours($report_window_hours)
    QUALIFY count(*) OVER (PARTITION BY u.phone, u.code, u.stat_time) = 1 AND b.state = 'accepted'
),

found AS (
    SELECT
        *,
        'own_mission_num' AS match_rule
    FROM by_own_mission_num
    UNION ALL
    SELECT
        *,
        'batch_phone' AS match_rule
    FROM by_batch_phone
    UNION ALL
    SELECT
        *,
        'phone_time' AS match_rule
    FROM by_phone_time
)

SELECT
    f.message_id,
    u.mission_num,
    u.phone,
    u.code,
    u.stat_time,
    u.batch_num,
    u.is_delivered,
    u.received_at,
    u.is_pushed_only,
    u.is_contradicted,
    u.foreign_message_id,
    f.match_rule
FROM unplaced AS u
LEFT JOIN found AS f USING (mission_num, phone, code, stat_time, batch_num)
