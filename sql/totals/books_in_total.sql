-- The books of all campaigns together: rows of the files = rows with a status = rows in the marts.
-- Inputs: core.campaigns, core.message_status, marts.campaign_delivery.
WITH totals AS (
    SELECT
        (SELECT coalesce(sum(row_count), 0) FROM core.campaigns) AS file_rows,
        (SELECT count(*) FROM core.message_status) AS booked_rows,
        (SELECT coalesce(sum(row_count), 0) FROM marts.campaign_delivery) AS mart_rows
)

SELECT
    'all campaigns: ' || file_rows || ' rows in the files, ' || booked_rows || ' in the books, ' || mart_rows || ' in the marts'
        AS finding
FROM totals
WHERE file_rows <> booked_rows OR file_rows <> mart_rows
