-- Applies report_changes to core.reports.
-- Grain: one row per distinct report. A repeated report belongs to the earliest call that returned it, so the result does not depend on the
-- order in which files are loaded.
-- Input: report_changes. Parameter: $load_num, which rows get that are new or change.
MERGE INTO core.reports AS known
USING report_changes AS c
    ON known.rowid = c.row_num
WHEN MATCHED AND c.is_earlier THEN
    UPDATE
        SET
            send_status = c.send_status,
            receive_status = c.receive_status,
            received_at = c.received_at,
            source_file = c.source_file,
            extra = c.extra,
            is_pulled = known.is_pulled OR c.is_pulled,
            is_pushed = known.is_pushed OR c.is_pushed,
            is_imported = known.is_imported OR c.is_imported,
            load_num = $load_num
WHEN MATCHED THEN
    UPDATE
        SET
            is_pulled = known.is_pulled OR c.is_pulled,
            is_pushed = known.is_pushed OR c.is_pushed,
            is_imported = known.is_imported OR c.is_imported,
            load_num = $load_num
WHEN NOT MATCHED THEN INSERT (
    message_id, mission_num, phone, code, stat_time, batch_num, is_delivered, send_status,
    receive_status, received_at, source_file, extra, is_pulled, is_pushed, is_imported, load_num
)
VALUES (
    c.message_id, c.mission_num, c.phone, c.code, c.stat_time, c.batch_num, c.is_delivered, c.send_status,
    c.receive_status, c.received_at, c.source_file, c.extra, c.is_pulled, c.is_pushed, c.is_imported, $load_num
);
