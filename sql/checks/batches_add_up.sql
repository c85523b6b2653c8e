-- Each batch that was accepted, refused or is in doubt has all its messages, each in one status; any other batch has none.
-- Input: marts.batch_delivery.
SELECT
    'batch ' || batch_num || ' (' || state || '): ' || message_count || ' messages, '
    || (refused_count + in_doubt_count + accepted_total_count) || ' in the books' AS finding
FROM marts.batch_delivery
WHERE
    refused_count + in_doubt_count + accepted_total_count
    <> CASE WHEN state IN ('accepted', 'refused', 'in_doubt') THEN message_count ELSE 0 END
