-- published replies: one row per reply, with the message it most likely answers; no texts.
-- Input: core.reply_matches. Parameters: $phone_hash_key, $phone_hash_reach.
SELECT
    replied_at,
    received_at,
    mask_phone(phone) AS phone_masked,
    phone_hash(phone, campaign_id, $phone_hash_key, $phone_hash_reach) AS phone_hash,
    mask_phones_in_text(access_num) AS access_num,
    campaign_id,
    message_id,
    character_count,
    is_opt_out
FROM core.reply_matches
