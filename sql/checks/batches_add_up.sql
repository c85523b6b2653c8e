-- Every batch that was taken, refused, or may have been taken holds its messages, each in one status; every other holds none.
SELECT
    'batch ' || batch_num || ' (' || state || '): ' || message_count || ' messages, '
    || (refused_count + in_doubt_count + accepted_total_count) || ' in the books' AS finding
FROM marts.batch_delivery
WHERE
    refused_count + in_doubt_count + accepted_total_count
    <> CASE WHEN state IN ('accepted', 'refused', 'in_doubt') THEN message_count ELSE 0 END
