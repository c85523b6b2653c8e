-- figure delivery: the one row of a campaign in the mart.
-- Input: marts.campaign_delivery. Parameter: $campaign_id.
SELECT * -- noqa: AM04
FROM marts.campaign_delivery
WHERE campaign_id = $campaign_id
