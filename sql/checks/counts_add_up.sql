-- core.message_counts has every message of core.message_status, and its reports, for every campaign.
-- Inputs: core.message_counts, core.message_status.
WITH booked AS (
    SELECT
        campaign_id,
        count(*) AS message_count,
        sum(report_count) AS report_count,
        sum(phone_mismatch_count) AS phone_mismatch_count
    FROM core.message_status
    GROUP BY campaign_id
),

counted AS (
    SELECT
        campaign_id,
        sum(message_count) AS message_count,
        sum(report_count) AS report_count,
        sum(phone_mismatch_count) AS phone_mismatch_count
    FROM core.message_counts
    GROUP BY campaign_id
)

SELECT
    'campaign ' || campaign_id || ': ' || coalesce(b.message_count, 0) || ' messages with ' || coalesce(b.report_count, 0)
    || ' reports and ' || coalesce(b.phone_mismatch_count, 0) || ' of another phone, '
    || coalesce(c.message_count, 0) || ' with ' || coalesce(c.report_count, 0) || ' and '
    || coalesce(c.phone_mismatch_count, 0) || ' in the counts' AS finding
FROM booked AS b
FULL JOIN counted AS c USING (campaign_id)
WHERE
    b.message_count IS DISTINCT FROM c.message_count
    OR b.report_count IS DISTINCT FROM c.report_count
    OR b.phone_mismatch_count IS DISTINCT FROM c.phone_mismatch_count
