-- One row per report whose mission_num contains a message of a campaign in scope. In the columns of core.reports.
-- Inputs: core.reports, temp.scope_campaigns. The ids are looked through first: then the other columns are read of few rows.
-- noqa: disable=AM04
SELECT *
FROM core.reports
WHERE
    rowid IN (
        SELECT r.rowid
        FROM core.reports AS r
        SEMI JOIN temp.scope_campaigns AS t ON campaign_key_of(r.message_id) = t.campaign_key
    )
