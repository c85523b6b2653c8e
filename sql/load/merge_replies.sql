-- Adds the new rows of `incoming` (checked replies, in the columns of core.replies) to core.replies.
-- Grain: one row per distinct reply. If the gateway gives no time, the same text from the same phone counts once, because a snapshot that
-- is pulled again looks the same. A repeated reply belongs to the earliest call that returned it.
MERGE INTO core.replies AS known
USING (
    FROM incoming
    QUALIFY 1 = row_number() OVER (
        PARTITION BY phone, content, access_num, has_own_time, CASE WHEN has_own_time THEN replied_at END
        ORDER BY received_at, source_file, extra
    )
) AS earliest
    ON
        known.phone = earliest.phone
        AND known.content = earliest.content
        AND known.access_num = earliest.access_num
        AND known.has_own_time = earliest.has_own_time
        AND (NOT earliest.has_own_time OR known.replied_at = earliest.replied_at)
WHEN MATCHED AND (earliest.received_at, earliest.source_file) < (known.received_at, known.source_file) THEN
    UPDATE
        SET
            replied_at = earliest.replied_at,
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
    phone, content, access_num, replied_at, has_own_time, received_at, source_file, extra,
    is_pulled, is_pushed, is_imported, plain_content
)
VALUES (
    earliest.phone, earliest.content, earliest.access_num, earliest.replied_at,
    earliest.has_own_time, earliest.received_at, earliest.source_file, earliest.extra,
    earliest.is_pulled, earliest.is_pushed, earliest.is_imported, earliest.plain_content
);
