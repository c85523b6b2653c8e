-- Adds a row to core.loads, whose number is one more than the highest before; returns it.
-- Input: core.loads.
INSERT INTO core.loads
SELECT
    coalesce(max(load_num), 0) + 1 AS load_num,
    now() AS loaded_at
FROM core.loads
RETURNING load_num;
