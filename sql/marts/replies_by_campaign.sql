-- marts.replies_by_campaign: one row per reply, with the campaign it most likely answers; no phone and no text.
-- Inputs: core.reply_matches, core.message_status.
SELECT
    r.campaign_id,
    s.input_row,
    r.message_id,
    r.match_rule,
    r.is_opt_out,
    r.is_near_opt_out,
    r.submitted_at,
    r.replied_at,
    r.has_own_time,
    r.received_at,
    r.reply_seconds,
    r.access_num,
    r.character_count
FROM core.reply_matches AS r
LEFT JOIN core.message_status AS s ON r.message_id = s.message_id
ORDER BY r.replied_at, r.message_id, r.access_num
