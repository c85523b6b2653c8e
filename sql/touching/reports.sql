-- One row per campaign of which a report came, or changed, since the tables were computed. A report that was removed had less than another
-- one of the same message, which came or changed then.
-- Inputs: core.reports, core.campaigns. Parameter: $since_load_num.
SELECT DISTINCT
    c.campaign_id,
    c.campaign_key
FROM core.reports AS r
INNER JOIN core.campaigns AS c ON campaign_key_of(r.message_id) = c.campaign_key
WHERE r.load_num > $since_load_num
