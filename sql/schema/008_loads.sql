-- The load that brought each row or changed it last; rows that were loaded before have 0. The folders of the landing whose files are all
-- loaded.
CREATE TABLE core.loads (
    load_num BIGINT NOT NULL,
    loaded_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE core.listings (
    folder VARCHAR NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL
);
ALTER TABLE core.files ADD COLUMN load_num BIGINT DEFAULT 0;
ALTER TABLE core.campaigns ADD COLUMN load_num BIGINT DEFAULT 0;
ALTER TABLE core.recipients ADD COLUMN load_num BIGINT DEFAULT 0;
ALTER TABLE core.batches ADD COLUMN load_num BIGINT DEFAULT 0;
ALTER TABLE core.reports ADD COLUMN load_num BIGINT DEFAULT 0;
ALTER TABLE core.replies ADD COLUMN load_num BIGINT DEFAULT 0;
ALTER TABLE core.reply_arrivals ADD COLUMN load_num BIGINT DEFAULT 0;
ALTER TABLE core.balances ADD COLUMN load_num BIGINT DEFAULT 0;
ALTER TABLE core.pulls ADD COLUMN load_num BIGINT DEFAULT 0;
ALTER TABLE core.suppressions ADD COLUMN load_num BIGINT DEFAULT 0;
ALTER TABLE core.rejects ADD COLUMN load_num BIGINT DEFAULT 0;
ALTER TABLE core.files ALTER COLUMN load_num SET NOT NULL;
ALTER TABLE core.campaigns ALTER COLUMN load_num SET NOT NULL;
ALTER TABLE core.recipients ALTER COLUMN load_num SET NOT NULL;
ALTER TABLE core.batches ALTER COLUMN load_num SET NOT NULL;
ALTER TABLE core.reports ALTER COLUMN load_num SET NOT NULL;
ALTER TABLE core.replies ALTER COLUMN load_num SET NOT NULL;
ALTER TABLE core.reply_arrivals ALTER COLUMN load_num SET NOT NULL;
ALTER TABLE core.balances ALTER COLUMN load_num SET NOT NULL;
ALTER TABLE core.pulls ALTER COLUMN load_num SET NOT NULL;
ALTER TABLE core.suppressions ALTER COLUMN load_num SET NOT NULL;
ALTER TABLE core.rejects ALTER COLUMN load_num SET NOT NULL;
ALTER TABLE core.files ALTER COLUMN load_num DROP DEFAULT;
ALTER TABLE core.campaigns ALTER COLUMN load_num DROP DEFAULT;
ALTER TABLE core.recipients ALTER COLUMN load_num DROP DEFAULT;
ALTER TABLE core.batches ALTER COLUMN load_num DROP DEFAULT;
ALTER TABLE core.reports ALTER COLUMN load_num DROP DEFAULT;
ALTER TABLE core.replies ALTER COLUMN load_num DROP DEFAULT;
ALTER TABLE core.reply_arrivals ALTER COLUMN load_num DROP DEFAULT;
ALTER TABLE core.balances ALTER COLUMN load_num DROP DEFAULT;
ALTER TABLE core.pulls ALTER COLUMN load_num DROP DEFAULT;
ALTER TABLE core.suppressions ALTER COLUMN load_num DROP DEFAULT;
ALTER TABLE core.rejects ALTER COLUMN load_num DROP DEFAULT;
