-- marts.submit_errors: one row per campaign and error code in the gateway's answers to batches (000000 means accepted and is left out).
-- Inputs: marts.campaign_delivery, core.batches, core.batch_outcomes, core.message_counts, core.error_codes.
-- A split batch counts as a batch; its messages count only if they were refused in the end.
WITH batches AS (
    SELECT
        b.campaign_id,
        b.error_code,
        count(*) AS batch_count,
        count(*) FILTER (WHERE o.state = 'refused') AS refused_batch_count,
        count(*) FILTER (WHERE o.state = 'in_doubt') AS in_doubt_batch_count,
        min(b.submitted_at) AS first_submitted_at,
        max(b.submitted_at) AS last_submitted_at
    FROM core.batches AS b
    LEFT JOIN core.batch_outcomes AS o ON b.batch_num = o.batch_num
    WHERE b.error_code IS NOT NULL AND b.error_code <> '000000'
    GROUP BY b.campaign_id, b.error_code
),

refused AS (
    SELECT
        campaign_id,
        error_code,
        cast(sum(message_count) AS BIGINT) AS refused_count
    FROM core.message_counts
    WHERE status = 'refused'
    GROUP BY campaign_id, error_code
)

SELECT
    b.campaign_id,
    b.error_code,
    coalesce(e.meaning, 'unknown error code') AS meaning,
    coalesce(e.meaning_zh, '未知错误码') AS meaning_zh,
    coalesce(e.action, 'ask the vendor what the error code means') AS action,
    b.batch_count,
    b.refused_batch_count,
    b.in_doubt_batch_count,
    coalesce(r.refused_count, 0) AS refused_count,
    b.first_submitted_at,
    b.last_submitted_at,
    d.is_mature
FROM batches AS b
INNER JOIN marts.campaign_delivery AS d ON b.campaign_id = d.campaign_id
LEFT JOIN refused AS r ON b.campaign_id = r.campaign_id AND b.error_code = r.error_code
LEFT JOIN core.error_codes AS e ON b.error_code = e.error_code
ORDER BY b.campaign_id ASC, b.batch_count DESC, b.error_code ASC
