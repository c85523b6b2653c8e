-- is_pushed_only and is_contradicted: about one row of core.reports or core.replies, by some of its columns.
-- Only pushed: no pull and no import brought it. Contradicted: the gateway's receive_status says the opposite of the code.
-- noqa: disable=CP02,CP05,RF02
CREATE OR REPLACE MACRO is_pushed_only(is_pushed, is_pulled, is_imported) AS is_pushed AND NOT is_pulled AND NOT is_imported;

CREATE OR REPLACE MACRO is_contradicted(receive_status, is_delivered) AS (
    upper(receive_status) IS NOT DISTINCT FROM CASE WHEN is_delivered THEN 'FAIL' ELSE 'SUCCESS' END
);
