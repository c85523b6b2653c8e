-- The cost of a campaign's failures is the sum of the costs of their codes, and no code costs more than the campaign; without a price,
-- nothing has a cost.
-- Inputs: marts.campaign_delivery, marts.code_breakdown.
WITH codes AS (
    SELECT
        campaign_id,
        count(*) AS code_count,
        count(cost) AS priced_code_count,
        coalesce(sum(segment_count) FILTER (WHERE NOT is_delivered), 0) AS failed_segment_count,
        coalesce(sum(cost) FILTER (WHERE NOT is_delivered), 0) AS failed_cost,
        sum(cost) AS cost
    FROM marts.code_breakdown
    GROUP BY campaign_id
)

SELECT
    'campaign ' || d.campaign_id || ': failures of ' || d.failed_segment_count || ' segments cost '
    || coalesce(cast(d.failed_cost AS VARCHAR), 'nothing known') || ', by their codes '
    || coalesce(c.failed_segment_count, 0) || ' segments and ' || coalesce(c.failed_cost, 0) AS finding
FROM marts.campaign_delivery AS d
LEFT JOIN codes AS c ON d.campaign_id = c.campaign_id
WHERE
    d.failed_segment_count <> coalesce(c.failed_segment_count, 0)
    OR (d.accepted_cost IS NULL) <> (d.failed_cost IS NULL)
    OR coalesce(c.priced_code_count, 0) <> CASE WHEN d.accepted_cost IS NULL THEN 0 ELSE coalesce(c.code_count, 0) END
    OR abs(coalesce(d.failed_cost, 0) - coalesce(c.failed_cost, 0)) > 1e-6 * (1 + coalesce(d.failed_cost, 0))
    OR coalesce(c.cost, 0) > coalesce(d.accepted_cost, 0) * (1 + 1e-9) + 1e-6
