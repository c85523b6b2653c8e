-- delivery_by: one row per campaign and value of one of the owner's columns, with the counts and rates of marts.campaign_delivery.
-- Inputs: main.messages, marts.campaign_delivery (is_mature). Arguments: column_name; campaign (default: all).
-- A row without a value counts as 'unknown', so that the rows of a campaign add up to its file. A column that no row has is an
-- error, because it is a typing error. The name becomes a JSON pointer, in which ~ and / are written ~0 and ~1.
-- No CTE: DuckDB 1.4.0 and 1.4.1 can't call a macro that holds one.
-- The linter takes arguments for columns and types.
-- noqa: disable=CP05
CREATE OR REPLACE MACRO delivery_by(column_name, campaign := NULL) AS TABLE
    SELECT
        n.campaign_id,
        n.value,
        unnest(n.counts),
        unnest(delivery_rates(n.counts.delivered_count, n.counts.reported_count, n.counts.accepted_total_count)),
        c.is_mature
    FROM (
        SELECT
            campaign_id,
            CASE
                WHEN bool_or(bool_or(has_column)) OVER () THEN given_value
                ELSE error('none of the rows has a column ''' || column_name || '''')
            END AS value,
            status_counts(status, 1, segment_count) AS counts
        FROM (
            SELECT
                campaign_id,
                status,
                segment_count,
                coalesce(
                    json_extract_string(owner, '/' || replace(replace(column_name, '~', '~0'), '/', '~1')), 'unknown'
                ) AS given_value,
                json_exists(owner, '/' || replace(replace(column_name, '~', '~0'), '/', '~1')) AS has_column
            FROM main.messages
            WHERE campaign IS NULL OR campaign_id = campaign
        ) AS given
        GROUP BY campaign_id, given_value
    ) AS n
    INNER JOIN marts.campaign_delivery AS c ON n.campaign_id = c.campaign_id
    ORDER BY n.campaign_id, n.value;
