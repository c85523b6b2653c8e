-- campaign_key_of, position_of and message_id_of: the numbers of messages as in pipelines/message_ids.py, held to it by test.
-- message_id  = campaign key * 2^28 + position in the plan
-- mission_num = the key as 7 base-32 characters, then the position as 9 digits
-- message_id_of gives the message_id of a mission_num of this form, null for any other mission_num. base32_digit gives the value of
-- a character of Crockford's base 32, which has no I, L, O and U.
-- The linter takes arguments for columns and types.
-- noqa: disable=CP02,CP05,RF02
CREATE OR REPLACE MACRO campaign_key_of(message_id) AS message_id >> 28;

CREATE OR REPLACE MACRO position_of(message_id) AS message_id & 268435455;

CREATE OR REPLACE MACRO base32_digit(letter) AS instr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', letter) - 1;

CREATE OR REPLACE MACRO message_id_of(mission_num) AS CASE
    WHEN
        regexp_full_match(mission_num, '[0-9A-HJKMNP-TV-Z]{7}[0-9]{9}')
        AND try_cast(right(mission_num, 9) AS BIGINT) < 268435456
        THEN
            base32_digit(substr(mission_num, 1, 1)) * 288230376151711744
            + base32_digit(substr(mission_num, 2, 1)) * 9007199254740992
            + base32_digit(substr(mission_num, 3, 1)) * 281474976710656
            + base32_digit(substr(mission_num, 4, 1)) * 8796093022208
            + base32_digit(substr(mission_num, 5, 1)) * 274877906944
            + base32_digit(substr(mission_num, 6, 1)) * 8589934592
            + base32_digit(substr(mission_num, 7, 1)) * 268435456
            + try_cast(right(mission_num, 9) AS BIGINT)
END;
