-- published messages: one row per recipient row of one campaign; the campaign is the name of the folder that holds the file.
-- Inputs: core.message_status, core.recipients, core.batches. Parameters: $campaign_id, $phone_hash_key.
-- Phones are masked, and hashed with the key; an invalid phone is not shown at all, since it may be anything. Texts are not published.
-- Mission numbers and the owner's columns may contain phones too, and are masked.
WITH recipients AS (
    SELECT
        *,
        mask_phones_in_json(cast(owner AS VARCHAR)) AS masked_owner
    FROM core.recipients
    WHERE campaign_id = $campaign_id
)

SELECT
    s.input_row,
    s.message_id,
    CASE WHEN NOT contains(m.mission_num, m.phone) THEN m.mission_num END AS mission_num,
    CASE WHEN is_phone(m.phone) THEN mask_phone(m.phone) END AS phone_masked,
    CASE WHEN is_phone(m.phone) THEN left(sha256($phone_hash_key || m.phone), 32) END AS phone_hash,
    s.status,
    coalesce(m.reason, b.detail) AS reason,
    m.duplicate_of_row,
    s.code,
    s.error_code,
    CASE WHEN s.status <> 'suppressed' THEN s.batch_num END AS batch_num,
    s.submitted_at,
    s.submitted_on,
    s.delivered_at,
    s.latency_seconds,
    s.match_rule,
    s.report_count,
    s.segment_count,
    m.template_id,
    CASE WHEN json_valid(m.masked_owner) THEN m.masked_owner END AS owner
FROM core.message_status AS s
INNER JOIN recipients AS m ON s.input_row = m.input_row
LEFT JOIN core.batches AS b ON s.batch_num = b.batch_num AND b.state = 'suppressed'
WHERE s.campaign_id = $campaign_id
