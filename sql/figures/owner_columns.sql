-- figure owner_columns: one row per column of the owner's that divides the campaign into 2 to 20 groups.
-- Input: main.messages. Parameter: $campaign_id.
-- The first thousand rows show the columns and exclude those with too many values; the rest are counted on all rows later.
-- A name becomes a JSON pointer, in which ~ and / are written ~0 and ~1.
WITH owned AS (
    SELECT owner
    FROM main.messages
    WHERE campaign_id = $campaign_id AND owner IS NOT NULL
    ORDER BY input_row
    LIMIT 1000
),

named AS (
    SELECT
        owner,
        unnest(json_keys(owner)) AS name
    FROM owned
)

SELECT name
FROM named
GROUP BY name
HAVING count(DISTINCT json_extract_string(owner, '/' || replace(replace(name, '~', '~0'), '/', '~1'))) BETWEEN 2 AND 20
ORDER BY name
