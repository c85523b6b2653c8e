-- Deletes from core.reports each failure of an export that has a borrowed time, if the same failure is there with a time of its own or with
-- an earlier borrowed one. A mission_num or a batch_num must say that it is the same.
-- The result does not depend on the order in which files are loaded.
DELETE FROM core.reports AS less
USING core.reports AS more
WHERE
    less.is_imported
    AND json_extract_string(less.extra, '/stat_time_from') IS NOT NULL
    AND less.phone = more.phone
    AND less.code = more.code
    AND less.mission_num IN ('', more.mission_num)
    AND less.batch_num IN ('', more.batch_num)
    AND (less.mission_num <> '' OR less.batch_num <> '')
    AND less.stat_time <> more.stat_time
    AND (json_extract_string(more.extra, '/stat_time_from') IS NULL OR more.stat_time < less.stat_time);
