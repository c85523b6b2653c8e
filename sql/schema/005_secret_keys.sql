-- Keys of campaigns that derive from a secret; those planned before don't.
ALTER TABLE core.campaigns ADD COLUMN has_secret_key BOOLEAN DEFAULT FALSE;
ALTER TABLE core.campaigns ALTER COLUMN has_secret_key SET NOT NULL;
ALTER TABLE core.campaigns ALTER COLUMN has_secret_key DROP DEFAULT;
