-- Every reply is in marts.replies_by_campaign once, unless another row repeats it, and is counted for its campaign.
-- Inputs: core.repeated_replies, core.replies, marts.campaign_delivery, marts.replies_by_campaign.
WITH replies AS (
    SELECT
        campaign_id,
        count(*) AS reply_count,
        count(*) FILTER (WHERE is_opt_out) AS opt_out_count
    FROM marts.replies_by_campaign
    GROUP BY campaign_id
)

SELECT
    'campaign ' || d.campaign_id || ': ' || d.reply_count || ' replies, ' || coalesce(r.reply_count, 0)
    || ' in marts.replies_by_campaign' AS finding
FROM marts.campaign_delivery AS d
LEFT JOIN replies AS r ON d.campaign_id = r.campaign_id
WHERE d.reply_count <> coalesce(r.reply_count, 0) OR d.opt_out_count <> coalesce(r.opt_out_count, 0)
UNION ALL
SELECT t.reply_count || ' replies, ' || t.listed_count || ' in marts.replies_by_campaign or told twice'
FROM (
    SELECT
        (SELECT count(*) FROM core.replies) AS reply_count,
        (SELECT count(*) FROM marts.replies_by_campaign)
        + (SELECT count(*) FROM core.repeated_replies) AS listed_count
) AS t
WHERE t.reply_count <> t.listed_count
