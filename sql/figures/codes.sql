-- figure codes: one row per code of the campaign's failed messages, the most frequent first.
-- Input: marts.code_breakdown. Parameter: $campaign_id.
-- whose_move is the former name of responsible_party, which a copy published before this release has alone.
SELECT
    code,
    meaning,
    meaning_zh,
    whose_move AS responsible_party,
    what_to_do,
    is_known,
    message_count,
    cost,
    of_failed_rate
FROM marts.code_breakdown
WHERE campaign_id = $campaign_id AND NOT is_delivered
ORDER BY message_count DESC, code ASC
