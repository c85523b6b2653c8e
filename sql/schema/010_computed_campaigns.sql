-- Which reconcile computed the rows of each campaign last, and up to which load. The next reconcile computes all campaigns.
DROP TABLE core.computed;
CREATE TABLE core.computed (
    as_of_at TIMESTAMPTZ NOT NULL,
    parameters JSON NOT NULL,
    fingerprint VARCHAR NOT NULL,
    file_count BIGINT NOT NULL,
    last_event_id BIGINT NOT NULL,
    load_num BIGINT NOT NULL,
    computed_id VARCHAR NOT NULL,
    is_balanced BOOLEAN NOT NULL
);
CREATE TABLE core.computed_campaigns (
    campaign_id VARCHAR NOT NULL,
    campaign_key BIGINT NOT NULL,
    computed_id VARCHAR NOT NULL
);
