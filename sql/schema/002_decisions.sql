-- Decisions of people: who settled a batch in doubt, and entries that remove a phone from the lists again.
ALTER TABLE core.batches ADD COLUMN decided_by VARCHAR;
ALTER TABLE core.suppressions ADD COLUMN is_removed BOOLEAN DEFAULT FALSE;
ALTER TABLE core.suppressions ALTER COLUMN is_removed SET NOT NULL;
ALTER TABLE core.suppressions ALTER COLUMN is_removed DROP DEFAULT;
