-- campaign_key_of, position_of and has_mission_num_form: the numbers of messages as in pipelines/message_ids.py, held to it by test.
-- message_id  = campaign key * 2^28 + position in the plan
-- mission_num = the key as 7 characters of Crockford's base 32 (no I, L, O, U), then the position as 9 digits
-- Only loading decodes a mission_num, in Python; statements need its form.
-- The linter takes arguments for columns and types.
-- noqa: disable=CP02,CP05,RF02
CREATE OR REPLACE MACRO campaign_key_of(message_id) AS message_id >> 28;

CREATE OR REPLACE MACRO position_of(message_id) AS message_id & 268435455;

CREATE OR REPLACE MACRO has_mission_num_form(mission_num) AS regexp_full_match(mission_num, '[0-9A-HJKMNP-TV-Z]{7}[0-9]{9}');
