-- comparable_campaigns: one row per campaign and earlier campaign that it can be compared with; no row for a campaign with fewer
-- than three. Comparable: first submitted in the 90 days before it, with the same templates (or also without any), and with enough
-- reported messages.
-- Input: marts.campaign_delivery. Arguments: min_message_count; messages, the table that holds the template_id of each message:
-- core.recipients in the warehouse, main.messages in the analysts' copy. It is defined for our own sessions only, never published,
-- so it may hold CTEs (see delivery_by).
-- The linter takes arguments for columns and types.
-- noqa: disable=RF02
CREATE OR REPLACE MACRO comparable_campaigns(min_message_count, messages) AS TABLE
    WITH templates AS (
        SELECT
            campaign_id,
            string_agg(DISTINCT template_id, ' ' ORDER BY template_id) AS template_ids
        FROM query_table(messages)
        WHERE template_id IS NOT NULL
        GROUP BY campaign_id
    ),

    campaigns AS (
        SELECT
            d.campaign_id,
            d.first_submitted_at,
            d.reported_count,
            t.template_ids
        FROM marts.campaign_delivery AS d
        LEFT JOIN templates AS t ON d.campaign_id = t.campaign_id
    ),

    earlier AS (
        SELECT * FROM campaigns
        WHERE reported_count >= min_message_count
    )

    SELECT
        c.campaign_id,
        e.campaign_id AS earlier_campaign_id
    FROM campaigns AS c
    INNER JOIN earlier AS e
        ON
            c.first_submitted_at > e.first_submitted_at
            AND c.first_submitted_at <= e.first_submitted_at + to_days(90)
            AND c.template_ids IS NOT DISTINCT FROM e.template_ids
    QUALIFY count(*) OVER (PARTITION BY c.campaign_id) >= 3;
