-- figure owner_values: one row per value of one of the owner's columns, with the outcome of its accepted messages.
-- Inputs: main.messages, main.replies. Parameters: $campaign_id, $owner_column.
-- The name becomes a JSON pointer, in which ~ and / are written ~0 and ~1.
WITH answers AS (
    SELECT
        message_id,
        count(*) AS reply_count,
        count(*) FILTER (WHERE is_opt_out) AS opt_out_count
    FROM main.replies
    WHERE campaign_id = $campaign_id AND message_id IS NOT NULL
    GROUP BY message_id
),

groups AS (
    SELECT
        coalesce(json_extract_string(m.owner, '/' || replace(replace($owner_column, '~', '~0'), '/', '~1')), '–') AS value,
        count(*) AS accepted_total_count,
        count(*) FILTER (WHERE m.status = 'delivered') AS delivered_count,
        cast(coalesce(sum(a.reply_count), 0) AS BIGINT) AS reply_count,
        cast(coalesce(sum(a.opt_out_count), 0) AS BIGINT) AS opt_out_count
    FROM main.messages AS m
    LEFT JOIN answers AS a ON m.message_id = a.message_id
    WHERE m.campaign_id = $campaign_id AND is_accepted(m.status)
    GROUP BY value
)

SELECT
    *,
    delivered_count / accepted_total_count AS rate,
    wilson_low(delivered_count, accepted_total_count) AS rate_low,
    wilson_high(delivered_count, accepted_total_count) AS rate_high
FROM groups
ORDER BY accepted_total_count DESC, value ASC
LIMIT 20
