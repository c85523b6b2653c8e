-- Adds the rows of one plan to core.recipients, in the plan's order.
-- Parameters: $load_num; $campaign_id; $plan, the path of its Parquet file, whose column `owner` (a struct) may be missing.
INSERT INTO core.recipients BY NAME
SELECT
    $campaign_id AS campaign_id,
    input_row,
    message_id,
    disposition,
    reason,
    duplicate_of_row,
    phone,
    number_range_of(phone) AS number_range,
    mission_num,
    planned_batch,
    content,
    extra_num,
    template_id,
    segment_count,
    to_json(owner) AS owner,
    $load_num AS load_num
FROM (
    SELECT * FROM read_parquet($plan) -- noqa: AM04 - the file says which columns
    UNION ALL BY NAME
    SELECT NULL AS owner
    WHERE FALSE
) AS plan;
