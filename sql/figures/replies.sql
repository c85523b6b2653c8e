-- figure replies: one row per hour of replies to the campaign, and per is_opt_out.
-- Input: main.replies. Parameter: $campaign_id.
SELECT
    date_trunc('hour', replied_at) AS replied_at,
    is_opt_out,
    count(*) AS reply_count
FROM main.replies
WHERE campaign_id = $campaign_id
GROUP BY ALL
ORDER BY ALL
