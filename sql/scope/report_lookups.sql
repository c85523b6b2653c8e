-- One row per report that was looked up and found in a campaign in scope. In the columns of core.report_lookups.
-- Inputs: core.report_lookups, temp.scope_campaigns.
-- noqa: disable=AM04
SELECT l.*
FROM core.report_lookups AS l
SEMI JOIN temp.scope_campaigns AS t ON campaign_key_of(l.message_id) = t.campaign_key
