-- published messages: one row per recipient row of the campaigns of one part; of a large campaign, those from $first_row to the one before
-- $end_row.
-- Inputs: core.message_status, core.recipients, core.batch_outcomes, core.batches, core.statuses, temp.part_campaigns, temp.masked_owners.
-- Parameters: $first_row, $end_row, $phone_hash_key, $phone_hash_reach.
-- A row depends on its own campaign only, so that a part can be shared between versions. Rows come as they are stored, one campaign after
-- the other, so that readers can skip the others; to sort them would take a third more time and memory.
-- Phones are masked; an invalid phone is not shown at all, since it may be anything. Texts are not published.
-- Only phones that a message may have been sent to are hashed: otherwise whoever may submit and query learns the hash of any phone, and so
-- finds people in all campaigns, from candidates that are never sent.
-- All other texts that come from outside may contain phones too, and are masked: mission numbers other than ours, whose key and position
-- can look like a phone, reasons from lists, templates, and the owner's columns.
SELECT
    s.campaign_id,
    s.input_row,
    s.message_id,
    CASE
        WHEN contains(m.mission_num, m.phone) THEN NULL
        WHEN has_mission_num_form(m.mission_num) THEN m.mission_num
        ELSE mask_phones_in_text(m.mission_num)
    END AS mission_num,
    CASE WHEN is_phone(m.phone) THEN mask_phone(m.phone) END AS phone_masked,
    CASE
        WHEN is_phone(m.phone) AND t.is_sent
            THEN phone_hash(m.phone, s.campaign_id, $phone_hash_key, $phone_hash_reach)
    END AS phone_hash,
    s.status,
    mask_phones_in_text(coalesce(m.reason, b.detail)) AS reason,
    m.duplicate_of_row,
    s.code,
    CASE WHEN n.state = 'refused' THEN n.error_code END AS error_code,
    CASE WHEN s.status <> 'suppressed' THEN n.batch_num END AS batch_num,
    s.submitted_at,
    n.submitted_on,
    s.delivered_at,
    s.latency_seconds,
    CASE WHEN s.report_count > 0 THEN coalesce(s.lookup_rule, 'mission_num') END AS match_rule,
    s.report_count,
    s.segment_count,
    mask_phones_in_text(m.template_id) AS template_id,
    coalesce(o.owner, cast(m.owner AS VARCHAR)) AS owner
FROM core.message_status AS s
SEMI JOIN temp.part_campaigns AS p ON s.campaign_id = p.campaign_id
INNER JOIN core.recipients AS m ON s.campaign_id = m.campaign_id AND s.input_row = m.input_row
INNER JOIN core.statuses AS t ON s.status = t.status
LEFT JOIN temp.masked_owners AS o ON s.campaign_id = o.campaign_id AND s.input_row = o.input_row
LEFT JOIN core.batch_outcomes AS n ON s.first_message_id = n.first_message_id
LEFT JOIN core.batches AS b ON n.batch_num = b.batch_num AND b.state = 'suppressed'
WHERE s.input_row >= $first_row AND s.input_row < $end_row
