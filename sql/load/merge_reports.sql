-- Adds the new rows of `incoming` (checked reports, in the columns of core.reports) to core.reports.
-- Grain: one row per distinct report. A repeated report belongs to the earliest call that returned it, so the result does not depend on the
-- order in which files are loaded.
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
            extra = earliest.extra,
            is_pulled = known.is_pulled OR earliest.is_pulled,
            is_pushed = known.is_pushed OR earliest.is_pushed,
            is_imported = known.is_imported OR earliest.is_imported
WHEN MATCHED AND (
    (earliest.is_pulled AND NOT known.is_pulled)
    OR (earliest.is_pushed AND NOT known.is_pushed)
    OR (earliest.is_imported AND NOT known.is_imported)
) THEN
    UPDATE
        SET
            is_pulled = known.is_pulled OR earliest.is_pulled,
            is_pushed = known.is_pushed OR earliest.is_pushed,
            is_imported = known.is_imported OR earliest.is_imported
WHEN NOT MATCHED THEN INSERT (
    message_id, mission_num, phone, code, stat_time, batch_num, is_delivered, send_status,
    receive_status, received_at, source_file, extra, is_pulled, is_pushed, is_imported
)
VALUES (
    earliest.message_id, earliest.mission_num, earliest.phone, earliest.code, earliest.stat_time,
    earliest.batch_num, earliest.is_delivered, earliest.send_status, earliest.receive_status,
    earliest.received_at, earliest.source_file, earliest.extra,
    earliest.is_pulled, earliest.is_pushed, earliest.is_imported
);
