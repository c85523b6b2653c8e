-- Adds what is new among `incoming` (checked reports, in the columns of core.reports) to core.reports.
-- Grain: one row per distinct report. A repeated report belongs to the earliest call that brought it, so the order in
-- which files are loaded makes no difference.
MERGE INTO core.reports AS known
USING (
    FROM incoming
    QUALIFY 1 = row_number() OVER (
        PARTITION BY mission_num, phone, code, stat_time, batch_num
        ORDER BY received_at, source_file, send_status, receive_status, extra
    )
) AS earliest
    ON
        known.mission_num = earliest.mission_num
        AND known.phone = earliest.phone
        AND known.code = earliest.code
        AND known.stat_time = earliest.stat_time
        AND known.batch_num = earliest.batch_num
WHEN MATCHED AND (earliest.received_at, earliest.source_file) < (known.received_at, known.source_file) THEN
    UPDATE
        SET
            send_status = earliest.send_status,
            receive_status = earliest.receive_status,
            received_at = earliest.received_at,
            source_file = earliest.source_file,
            extra = earliest.extra
WHEN NOT MATCHED THEN INSERT (
    message_id, mission_num, phone, code, stat_time, batch_num, is_delivered, send_status,
    receive_status, received_at, source_file, extra
)
VALUES (
    earliest.message_id, earliest.mission_num, earliest.phone, earliest.code, earliest.stat_time,
    earliest.batch_num, earliest.is_delivered, earliest.send_status, earliest.receive_status,
    earliest.received_at, earliest.source_file, earliest.extra
);
