-- How the computed tables were made; the next reconcile says it.
CREATE TABLE core.computed (
    as_of_at TIMESTAMPTZ NOT NULL,
    parameters JSON NOT NULL,
    fingerprint VARCHAR NOT NULL,
    file_count BIGINT NOT NULL,
    last_event_id BIGINT NOT NULL
);
