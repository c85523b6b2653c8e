-- Applies reply_changes to core.replies.
-- Grain: one row per distinct reply. A repeated reply belongs to the earliest call that returned it, so the result does not depend on the
-- order in which files are loaded.
-- Input: reply_changes. Parameter: $load_num, which rows get that are new or change.
MERGE INTO core.replies AS known
USING reply_changes AS c
    ON known.rowid = c.row_num
WHEN MATCHED AND c.is_earlier THEN
    UPDATE
        SET
            replied_at = c.replied_at,
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
    phone, content, access_num, replied_at, has_own_time, received_at, source_file, extra,
    is_pulled, is_pushed, is_imported, plain_content, load_num
)
VALUES (
    c.phone, c.content, c.access_num, c.replied_at, c.has_own_time, c.received_at, c.source_file, c.extra,
    c.is_pulled, c.is_pushed, c.is_imported, c.plain_content, $load_num
);
