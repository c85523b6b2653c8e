-- What people decide: doubt can be settled by somebody's word, and an entry of a list can take earlier ones back.
ALTER TABLE core.batches ADD COLUMN decided_by VARCHAR;
ALTER TABLE core.suppressions ADD COLUMN is_removed BOOLEAN DEFAULT FALSE;
ALTER TABLE core.suppressions ALTER COLUMN is_removed SET NOT NULL;
ALTER TABLE core.suppressions ALTER COLUMN is_removed DROP DEFAULT;
