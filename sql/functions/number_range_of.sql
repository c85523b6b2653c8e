-- number_range_of: the first seven digits of a phone, by which carriers are given numbers; null unless it is eleven digits.
-- The linter takes arguments for columns and types.
-- noqa: disable=CP02,CP05,RF02
CREATE OR REPLACE MACRO number_range_of(phone) AS CASE
    WHEN regexp_full_match(phone, '[0-9]{11}') THEN cast(left(phone, 7) AS INTEGER)
END;
