-- marts.suppression_candidates: one row per phone that should get no more messages and is on no list yet, without the phone itself: the
-- latest message to it identifies it, see phone_masked and phone_hash of main.messages.
-- Input: core.phones_to_suppress. An opt-out from a phone that was sent nothing has no message.
SELECT
    campaign_id,
    input_row,
    message_id,
    reason,
    since_at,
    opted_out_at,
    hard_campaign_count,
    code,
    message_count,
    last_submitted_at
FROM core.phones_to_suppress
ORDER BY since_at DESC, campaign_id ASC, input_row ASC
