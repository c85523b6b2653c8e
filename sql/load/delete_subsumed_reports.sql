-- Deletes from core.reports each row that another row subsumes: it has the same phone, code and stat_time, and a mission_num or a
-- batch_num where this one has none. Exports of the vendor's console may lack one or the other.
-- The result does not depend on the order in which files are loaded.
DELETE FROM core.reports AS less
USING core.reports AS more
WHERE
    (less.mission_num = '' OR less.batch_num = '')
    AND less.phone = more.phone
    AND less.code = more.code
    AND less.stat_time = more.stat_time
    AND less.mission_num IN ('', more.mission_num)
    AND less.batch_num IN ('', more.batch_num)
    AND (less.mission_num <> more.mission_num OR less.batch_num <> more.batch_num);
