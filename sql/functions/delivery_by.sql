-- delivery_by: one row per campaign and value of one of the owner's columns, with the counts and rates of marts.campaign_delivery.
-- Inputs: main.messages, marts.campaign_delivery (is_mature). Arguments: column_name; campaign (default: all).
-- A row without a value stands under 'unknown', so that the rows of a campaign add up to its file. A column that none of the rows
-- has is an error: it is a typing error. The name becomes a JSON pointer, in which ~ and / are written ~0 and ~1.
-- The linter takes arguments for columns and types.
-- noqa: disable=CP05
CREATE OR REPLACE MACRO delivery_by(column_name, campaign := NULL) AS TABLE
    WITH given AS (
        SELECT
            campaign_id,
            status,
            segment_count,
            json_extract_string(owner, '/' || replace(replace(column_name, '~', '~0'), '/', '~1')) AS given_value,
            json_exists(owner, '/' || replace(replace(column_name, '~', '~0'), '/', '~1')) AS has_column
        FROM main.messages
        WHERE campaign IS NULL OR campaign_id = campaign
    ),

    counts AS (
        SELECT
            campaign_id,
            coalesce(given_value, 'unknown') AS given_value,
            bool_or(has_column) AS has_column,
            count(*) AS row_count,
            count(*) FILTER (WHERE status = 'invalid') AS invalid_count,
            count(*) FILTER (WHERE status = 'duplicate') AS duplicate_count,
            count(*) FILTER (WHERE status = 'suppressed') AS suppressed_count,
            count(*) FILTER (WHERE status = 'planned') AS planned_count,
            count(*) FILTER (WHERE status = 'refused') AS refused_count,
            count(*) FILTER (WHERE status = 'in_doubt') AS in_doubt_count,
            count(*) FILTER (WHERE status = 'accepted') AS accepted_count,
            count(*) FILTER (WHERE status = 'unreported') AS unreported_count,
            count(*) FILTER (WHERE status = 'delivered') AS delivered_count,
            count(*) FILTER (WHERE status = 'failed') AS failed_count,
            count(*) FILTER (WHERE status IN ('accepted', 'unreported', 'delivered', 'failed')) AS accepted_total_count,
            count(*) FILTER (WHERE status IN ('delivered', 'failed')) AS reported_count,
            coalesce(sum(segment_count) FILTER (WHERE status IN ('accepted', 'unreported', 'delivered', 'failed')), 0)
                AS accepted_segment_count
        FROM given
        GROUP BY campaign_id, coalesce(given_value, 'unknown')
    ),

    checked AS (
        SELECT
            *,
            CASE
                WHEN bool_or(has_column) OVER () THEN given_value
                ELSE error('none of the rows has a column ''' || column_name || '''')
            END AS value
        FROM counts
    )

    SELECT
        n.campaign_id,
        n.value,
        n.row_count,
        n.invalid_count,
        n.duplicate_count,
        n.suppressed_count,
        n.planned_count,
        n.refused_count,
        n.in_doubt_count,
        n.accepted_count,
        n.unreported_count,
        n.delivered_count,
        n.failed_count,
        n.accepted_total_count,
        n.reported_count,
        cast(n.accepted_segment_count AS BIGINT) AS accepted_segment_count,
        n.delivered_count / nullif(n.accepted_total_count, 0) AS delivered_of_accepted_rate,
        wilson_low(n.delivered_count, n.accepted_total_count) AS delivered_of_accepted_rate_low,
        wilson_high(n.delivered_count, n.accepted_total_count) AS delivered_of_accepted_rate_high,
        n.delivered_count / nullif(n.reported_count, 0) AS delivered_of_reported_rate,
        wilson_low(n.delivered_count, n.reported_count) AS delivered_of_reported_rate_low,
        wilson_high(n.delivered_count, n.reported_count) AS delivered_of_reported_rate_high,
        n.reported_count / nullif(n.accepted_total_count, 0) AS coverage_rate,
        wilson_low(n.reported_count, n.accepted_total_count) AS coverage_rate_low,
        wilson_high(n.reported_count, n.accepted_total_count) AS coverage_rate_high,
        c.is_mature
    FROM checked AS n
    INNER JOIN marts.campaign_delivery AS c ON n.campaign_id = c.campaign_id
    ORDER BY n.campaign_id, n.value;
