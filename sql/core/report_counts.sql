-- core.report_counts: one row per campaign, code and what receive_status says: the reports whose mission_num contains a message of the
-- campaign. Those that were looked up, and orphans, are in core.report_lookups.
-- Inputs: core.reports, core.campaigns.
SELECT
    c.campaign_id,
    r.code,
    r.is_delivered,
    is_contradicted(r.receive_status, r.is_delivered) AS is_contradicted,
    count(*) AS report_count,
    min(r.received_at) AS first_received_at,
    max(r.received_at) AS last_received_at
FROM core.reports AS r
INNER JOIN core.campaigns AS c
    ON
        campaign_key_of(r.message_id) = c.campaign_key
        AND position_of(r.message_id) < c.message_count
GROUP BY ALL
