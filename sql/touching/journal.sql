-- One row per campaign that load brought or changed since the tables were computed: its plan, or an event of its journal.
-- Input: core.campaigns, whose row is loaded again with each event. Parameter: $since_load_num.
SELECT
    campaign_id,
    campaign_key
FROM core.campaigns
WHERE load_num > $since_load_num
