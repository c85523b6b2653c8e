-- mask_phones_in_json: mask_phones_in_text of each name and value of JSON: texts, and numbers, which become text if they hold a phone.
-- Arrays and objects stay, down to three levels; below, one with the digits of a phone is the mask alone. A masked name gets its position,
-- so that names stay different. mask_members, mask_name and mask_value are its parts: `nested` is what a value `member[1]` that is an array
-- or an object becomes. Planning it takes a fifth of a second, so it is for statements that run once.
-- The linter takes arguments for columns and types.
-- noqa: disable=CP02,CP05,RF02
CREATE OR REPLACE MACRO mask_value(given, content, nested) AS CASE
    WHEN NOT coalesce(has_phone_digits(content), FALSE) THEN cast(given AS VARCHAR)
    WHEN starts_with(cast(given AS VARCHAR), '"') THEN cast(to_json(mask_phones_in_text(content)) AS VARCHAR)
    WHEN left(cast(given AS VARCHAR), 1) IN ('[', '{') THEN nested
    WHEN mask_phones_in_text(content) <> content THEN cast(to_json(mask_phones_in_text(content)) AS VARCHAR)
    ELSE cast(given AS VARCHAR)
END;

CREATE OR REPLACE MACRO mask_name(content, place) AS CASE
    WHEN has_phone_digits(content) AND mask_phones_in_text(content) <> content
        THEN mask_phones_in_text(content) || ' (' || place || ')'
    ELSE content
END;

CREATE OR REPLACE MACRO mask_members(content, nested) AS left(content, 1) || coalesce(
    list_aggregate(
        [
            coalesce(cast(to_json(mask_name(member[3], member[4])) AS VARCHAR) || ':', '')
            || mask_value(member[1], member[2], nested)
            FOR member IN list_zip(
                list_concat(json_extract(content, '$[*]'), json_extract(content, '$.*')),
                list_concat(json_extract_string(content, '$[*]'), json_extract_string(content, '$.*')),
                json_keys(content),
                range(1, 1 + len(json_keys(content)))
            )
        ],
        'string_agg',
        ','
    ),
    ''
) || right(content, 1);

CREATE OR REPLACE MACRO mask_phones_in_json(content) AS CASE
    WHEN has_phone_digits(content)
        THEN
            mask_members(
                content,
                mask_members(cast(member[1] AS VARCHAR), mask_members(cast(member[1] AS VARCHAR), '"****"'))
            )
    ELSE content
END;
