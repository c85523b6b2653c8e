-- core.repeated_messages: one row per message with more than one report.
-- Inputs: core.campaigns, core.report_matches. A table of its own, so that the joins of core.message_status know how few such messages are.
-- Ten million groups of one report each take a second, groups of 32 messages a third of it. Their members are bits: `seen` has those with a
-- report, `odd` those with an odd number of reports, so the others seen have two or more. If a second report of each of these makes up
-- the number of reports, no message has a third one, and they are the repeated ones; else the few messages of the group are counted.
WITH groups AS MATERIALIZED (
    SELECT
        message_id >> 5 AS group_num,
        count(*) AS report_count,
        bit_or(1::BIGINT << (message_id & 31)) AS seen,
        bit_xor(1::BIGINT << (message_id & 31)) AS odd
    FROM core.report_matches
    GROUP BY group_num
    HAVING count(*) > bit_count(bit_or(1::BIGINT << (message_id & 31)))
),

reported_twice AS (
    SELECT (g.group_num << 5) + p.place AS message_id
    FROM groups AS g
    CROSS JOIN range(32) AS p (place)
    WHERE
        g.report_count = bit_count(g.seen) + bit_count(xor(g.seen, g.odd))
        AND (xor(g.seen, g.odd) >> p.place) & 1 = 1
),

reported_more_often AS (
    SELECT r.message_id
    FROM core.report_matches AS r
    INNER JOIN groups AS g ON r.message_id >> 5 = g.group_num
    WHERE g.report_count <> bit_count(g.seen) + bit_count(xor(g.seen, g.odd))
    GROUP BY r.message_id
    HAVING count(*) > 1
)

SELECT
    c.campaign_id,
    r.message_id
FROM (
    SELECT message_id
    FROM reported_twice
    UNION ALL
    SELECT message_id
    FROM reported_more_often
) AS r
INNER JOIN core.campaigns AS c ON campaign_key_of(r.message_id) = c.campaign_key
