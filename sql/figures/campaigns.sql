-- figure campaigns: one row per campaign that anything was sent of, the latest first.
-- Input: marts.campaign_delivery.
SELECT campaign_id
FROM marts.campaign_delivery
ORDER BY first_submitted_at DESC NULLS LAST, campaign_id
