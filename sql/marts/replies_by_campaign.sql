-- marts.replies_by_campaign: one row per reply, with the campaign it most likely answers; no phone and no text.
-- Input: core.reply_matches.
SELECT
    campaign_id,
    input_row,
    message_id,
    match_rule,
    is_opt_out,
    is_near_opt_out,
    submitted_at,
    replied_at,
    has_own_time,
    received_at,
    reply_seconds,
    access_num,
    character_count
FROM core.reply_matches
ORDER BY replied_at, message_id, access_num
