-- marts.code_breakdown: one row per campaign and code of the believed reports, with its meaning and the responsible party.
-- A code that the vendor does not document takes class and responsible party of its family, with low confidence.
-- Inputs: marts.campaign_delivery, core.message_counts, core.gateway_codes, core.code_families.
-- Parameter: $price_per_segment (null: no money is shown).
WITH counts AS (
    SELECT
        campaign_id,
        code,
        cast(sum(message_count) AS BIGINT) AS message_count,
        cast(sum(message_count) FILTER (WHERE status = 'delivered') AS BIGINT) AS delivered_count,
        cast(sum(segment_count) AS BIGINT) AS segment_count
    FROM core.message_counts
    WHERE code IS NOT NULL
    GROUP BY campaign_id, code
)

SELECT
    n.campaign_id,
    n.code,
    coalesce(g.meaning, 'unknown code') AS meaning,
    coalesce(g.meaning_zh, '未知状态码') AS meaning_zh,
    coalesce(g.class, f.family, 'unknown') AS class,
    CASE WHEN g.code IS NOT NULL THEN 'high' ELSE 'low' END AS confidence,
    coalesce(g.responsible_party, f.responsible_party, 'vendor') AS responsible_party,
    coalesce(g.what_to_do, 'ask the vendor what the code means') AS what_to_do,
    coalesce(g.is_hard, FALSE) AS is_hard,
    g.code IS NOT NULL AS is_known,
    n.delivered_count IS NOT NULL AS is_delivered,
    n.message_count,
    CASE WHEN n.delivered_count IS NULL THEN n.message_count / d.failed_count END AS of_failed_rate,
    n.message_count / d.accepted_total_count AS of_accepted_rate,
    n.segment_count,
    n.segment_count * cast($price_per_segment AS DOUBLE) AS cost,
    d.is_mature,
    coalesce(g.responsible_party, f.responsible_party, 'vendor') AS whose_move
FROM counts AS n
INNER JOIN marts.campaign_delivery AS d ON n.campaign_id = d.campaign_id
LEFT JOIN core.gateway_codes AS g ON n.code = g.code
LEFT JOIN core.code_families AS f ON starts_with(n.code, f.code_prefix)
ORDER BY n.campaign_id ASC, n.message_count DESC, n.code ASC
