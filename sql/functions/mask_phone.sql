-- is_phone, mask_phone and mask_phones_in_text: the rules of pipelines/phones.py in SQL, held to it by test.
-- is_phone: true for a Chinese mobile number of 11 digits, without prefix, blanks and dashes.
-- mask_phone: 138****8000 for such a phone; for anything else the mask alone, since it could be anything.
-- mask_phones_in_text: the text with its phones masked: in one piece, in groups of digits or as a float, or alone in any way. In this
-- order, so that no number before a phone is taken for its beginning.
-- has_phone_digits: false for a text without eleven digits from a 1 on and without such a float, which is told many times faster than
-- a mask is tried.
-- phone_pattern: a regular expression in which N is a digit, full-width and Arabic ones too, F the three that a mobile number begins with,
-- and _ gap.
-- phone_gap: what may stand between the digits of a phone, as a class of a regular expression: blanks and invisible characters, dashes,
-- brackets and apostrophes.
-- The linter takes arguments for columns and types.
-- noqa: disable=CP02,CP05,RF02
CREATE OR REPLACE MACRO is_phone(phone) AS regexp_full_match(phone, '1[3-9][0-9]{9}');

CREATE OR REPLACE MACRO mask_phone(phone) AS CASE
    WHEN is_phone(phone) THEN left(phone, 3) || '****' || right(phone, 4)
    ELSE '****'
END;

CREATE OR REPLACE MACRO phone_pattern(form, gap) AS replace(
    replace(
        replace(form, 'F', '[1１١۱]_[3-9３-９٣-٩۳-۹]_N'),
        'N',
        '[0-9０-９٠-٩۰-۹]'
    ),
    '_',
    gap
);

CREATE OR REPLACE MACRO phone_gap() AS (
    '['
    || '\x{9}-\x{D} \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{AD}\x{600}-\x{605}'
    || '\x{61C}\x{6DD}\x{70F}\x{890}\x{891}\x{8E2}\x{180E}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}'
    || '\x{2066}-\x{206F}\x{FEFF}\x{FFF9}-\x{FFFB}\x{10D6E}\x{110BD}\x{110CD}\x{13430}-\x{1343F}\x{1BCA0}-\x{1BCA3}'
    || '\x{1D173}-\x{1D17A}\x{E0001}\x{E0020}-\x{E007F}\-\x{58A}\x{5BE}\x{1400}\x{1806}\x{2010}-\x{2015}\x{2212}'
    || '\x{2E17}\x{2E1A}\x{2E3A}\x{2E3B}\x{2E40}\x{2E5D}\x{301C}\x{3030}\x{30A0}\x{FE31}\x{FE32}\x{FE58}\x{FE63}'
    || '\x{FF0D}\x{10EAD}()\[\]\x{FF08}\x{FF09}\x{FF3B}\x{FF3D}\x{27}\x{2018}\x{2019}\x{FF07}\x{60}'
    || ']'
);

CREATE OR REPLACE MACRO mask_phones_in_text(content) AS regexp_replace(
    regexp_replace(
        regexp_replace(content, phone_pattern('(F)N{4}(N{4})', ''), '\1****\2', 'g'),
        replace(replace(phone_pattern('(F)(?:#+N{4}#*|@N{4}@)(N{4})', ''), '#', phone_gap()), '@', '[._/·]')
        || phone_pattern('|([1１١۱][3-9３-９٣-٩۳-۹])(?:[,，]N{3}){2}[,，](N{3})', '')
        || '|(1\.[3-9][0-9])[0-9]{5,}([eE]\+?10)',
        '\1\3\5****\2\4\6',
        'g'
    ),
    phone_pattern(
        '^_(?:[+＋]?_(?:[0０٠۰]_){0,2}[8８٨۸]_[6６٦۶]_)?(?:[0０٠۰]_)?'
        || '(F)_(?:N_){4}(N_N_N_N)_(?:\._(?:[0０٠۰]_)*)?$',
        phone_gap() || '*'
    ),
    '\1****\2'
);

CREATE OR REPLACE MACRO has_phone_digits(content) AS regexp_matches(
    content, '[1１١۱](?:[^0-9０-９٠-٩۰-۹]*[0-9０-９٠-٩۰-۹]){10}|1\.[3-9][0-9]{6,}[eE]\+?10'
);
