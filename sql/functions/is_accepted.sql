-- is_accepted: true for the status of a message that the gateway accepted, whatever became of it. As in
-- sql/reference/statuses.csv, by test; the analysts' copy does not hold that table.
CREATE OR REPLACE MACRO is_accepted(status) AS status IN ('accepted', 'unreported', 'delivered', 'failed');
