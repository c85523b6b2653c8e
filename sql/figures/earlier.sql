-- figure earlier: one row per earlier campaign that this one can be compared with, with its rates; no row if there are fewer than
-- three. Inputs: comparable_campaigns (with main.messages), marts.campaign_delivery. Parameters: $campaign_id, $min_message_count.
SELECT
    e.campaign_id,
    e.delivered_of_accepted_rate,
    e.delivered_of_reported_rate,
    e.coverage_rate
FROM comparable_campaigns($min_message_count, 'main.messages') AS c
INNER JOIN marts.campaign_delivery AS e ON c.earlier_campaign_id = e.campaign_id
WHERE c.campaign_id = $campaign_id
ORDER BY e.first_submitted_at
