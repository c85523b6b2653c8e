-- Files of an input's folder that were not read. How many there were of the campaigns planned before is not known.
ALTER TABLE core.campaigns ADD COLUMN left_out_count BIGINT DEFAULT 0;
ALTER TABLE core.campaigns ALTER COLUMN left_out_count SET NOT NULL;
ALTER TABLE core.campaigns ALTER COLUMN left_out_count DROP DEFAULT;
