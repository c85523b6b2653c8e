-- status_counts: the counts by status of a group of rows, as a STRUCT: unnest(status_counts(status, message_count, segment_count)).
-- An aggregate. Arguments: the status; the messages and segments of a row, which may be null. A test holds it to
-- sql/reference/statuses.csv.
-- The linter takes arguments for columns and types.
-- noqa: disable=CP02,CP05,RF02
CREATE OR REPLACE MACRO status_counts(status, message_count, segment_count) AS struct_pack(
    row_count := cast(coalesce(sum(message_count), 0) AS BIGINT),
    invalid_count := cast(coalesce(sum(message_count) FILTER (WHERE status = 'invalid'), 0) AS BIGINT),
    duplicate_count := cast(coalesce(sum(message_count) FILTER (WHERE status = 'duplicate'), 0) AS BIGINT),
    suppressed_count := cast(coalesce(sum(message_count) FILTER (WHERE status = 'suppressed'), 0) AS BIGINT),
    planned_count := cast(coalesce(sum(message_count) FILTER (WHERE status = 'planned'), 0) AS BIGINT),
    refused_count := cast(coalesce(sum(message_count) FILTER (WHERE status = 'refused'), 0) AS BIGINT),
    in_doubt_count := cast(coalesce(sum(message_count) FILTER (WHERE status = 'in_doubt'), 0) AS BIGINT),
    accepted_count := cast(coalesce(sum(message_count) FILTER (WHERE status = 'accepted'), 0) AS BIGINT),
    unreported_count := cast(coalesce(sum(message_count) FILTER (WHERE status = 'unreported'), 0) AS BIGINT),
    delivered_count := cast(coalesce(sum(message_count) FILTER (WHERE status = 'delivered'), 0) AS BIGINT),
    failed_count := cast(coalesce(sum(message_count) FILTER (WHERE status = 'failed'), 0) AS BIGINT),
    accepted_total_count := cast(coalesce(sum(message_count) FILTER (WHERE is_accepted(status)), 0) AS BIGINT),
    reported_count := cast(coalesce(sum(message_count) FILTER (WHERE status IN ('delivered', 'failed')), 0) AS BIGINT),
    accepted_segment_count := cast(coalesce(sum(segment_count) FILTER (WHERE is_accepted(status)), 0) AS BIGINT)
);
