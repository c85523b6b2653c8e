-- source messages: one row per recipient row of the warehouse, with those columns of the published messages that the figures
-- of status read.
-- Inputs: core.message_status, core.recipients, core.batch_outcomes, core.batches. Figures read it as main.messages.
CREATE OR REPLACE TEMP VIEW messages AS
SELECT
    s.campaign_id,
    s.input_row,
    s.status,
    coalesce(r.reason, b.detail) AS reason
FROM core.message_status AS s
INNER JOIN core.recipients AS r ON s.campaign_id = r.campaign_id AND s.input_row = r.input_row
LEFT JOIN core.batch_outcomes AS n ON s.first_message_id = n.first_message_id
LEFT JOIN core.batches AS b ON n.batch_num = b.batch_num AND b.state = 'suppressed'
