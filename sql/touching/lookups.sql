-- One row per campaign of which a report is looked up differently than before.
-- Inputs: core.campaigns, temp.lookups_before, temp.lookups_now.
SELECT DISTINCT
    c.campaign_id,
    c.campaign_key
FROM (
    (
        SELECT * EXCLUDE (row_num)
        FROM temp.lookups_before
        EXCEPT ALL
        FROM temp.lookups_now
    )
    UNION ALL
    (
        FROM temp.lookups_now
        EXCEPT ALL
        SELECT * EXCLUDE (row_num)
        FROM temp.lookups_before
    )
) AS r
INNER JOIN core.campaigns AS c ON campaign_key_of(r.message_id) = c.campaign_key
