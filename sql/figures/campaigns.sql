-- figure campaigns: one row per campaign, the latest submission first; campaigns without a submission come last.
-- Input: marts.campaign_delivery.
SELECT campaign_id
FROM marts.campaign_delivery
ORDER BY first_submitted_at DESC NULLS LAST, campaign_id
