-- figure batch_states: one row per state that a batch of the campaign is in.
-- Input: marts.batch_delivery. Parameter: $campaign_id.
SELECT
    state,
    count(*) AS batch_count
FROM marts.batch_delivery
WHERE campaign_id = $campaign_id
GROUP BY state
