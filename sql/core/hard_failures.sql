-- core.hard_failures: one row per campaign and phone, if a message of the campaign to the phone failed with a hard code. Private.
-- Inputs: core.message_status, core.recipients, core.gateway_codes.
SELECT DISTINCT
    s.campaign_id,
    m.phone
FROM core.message_status AS s
INNER JOIN core.gateway_codes AS g ON s.code = g.code
INNER JOIN core.recipients AS m ON s.message_id = m.message_id
WHERE s.status = 'failed' AND g.is_hard
