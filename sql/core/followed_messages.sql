-- core.followed_messages: one row per message that was sent, or may have been, to a phone of core.followed_phones: few messages, in which
-- replies and candidates for suppression find the campaigns of a phone. Private.
-- Inputs: core.recipients, core.followed_phones, core.message_status.
SELECT
    m.campaign_id,
    m.input_row,
    m.message_id,
    m.phone,
    m.extra_num,
    s.status,
    s.code,
    s.submitted_at
FROM core.recipients AS m
INNER JOIN core.followed_phones AS p ON m.phone = p.phone
INNER JOIN core.message_status AS s ON m.message_id = s.message_id
WHERE s.submitted_at IS NOT NULL AND s.status <> 'refused'
