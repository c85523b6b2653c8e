-- One row per campaign with a batch whose report window ended, or began again, between the instants of the last reconcile and of this one.
-- Inputs: core.batches, core.campaigns. Parameters: $as_of, $since_as_of, $report_window_hours.
SELECT DISTINCT
    c.campaign_id,
    c.campaign_key
FROM core.batches AS b
INNER JOIN core.campaigns AS c ON b.campaign_id = c.campaign_id
WHERE
    b.submitted_at >= least($as_of, $since_as_of) - to_hours($report_window_hours)
    AND b.submitted_at < greatest($as_of, $since_as_of) - to_hours($report_window_hours)
