-- The tables that are loaded from the landing, without keys, indexes and sequences.
-- Comments on tables and columns come from pipelines/contracts.

CREATE SCHEMA IF NOT EXISTS core;
CREATE SCHEMA IF NOT EXISTS marts;

CREATE TABLE core.migrations (
    migration_num INTEGER NOT NULL,
    name VARCHAR NOT NULL
);

CREATE TABLE core.files (
    source_file VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    record_count BIGINT NOT NULL,
    accepted_count BIGINT NOT NULL,
    rejected_count BIGINT NOT NULL
);

CREATE TABLE core.campaigns (
    campaign_id VARCHAR NOT NULL,
    campaign_key BIGINT NOT NULL,
    planned_at TIMESTAMPTZ NOT NULL,
    row_count BIGINT NOT NULL,
    message_count BIGINT NOT NULL,
    segment_count BIGINT NOT NULL,
    planned_batch_count BIGINT NOT NULL,
    has_own_mission_nums BOOLEAN NOT NULL,
    is_paused BOOLEAN NOT NULL,
    paused_reason VARCHAR
);

CREATE TABLE core.recipients (
    campaign_id VARCHAR NOT NULL,
    input_row BIGINT NOT NULL,
    message_id BIGINT,
    disposition VARCHAR NOT NULL,
    reason VARCHAR,
    duplicate_of_row BIGINT,
    phone VARCHAR,
    mission_num VARCHAR,
    planned_batch INTEGER,
    content VARCHAR,
    extra_num VARCHAR,
    template_id VARCHAR,
    segment_count INTEGER,
    owner JSON
);

CREATE TABLE core.batches (
    batch_num VARCHAR NOT NULL,
    campaign_id VARCHAR NOT NULL,
    planned_batch INTEGER NOT NULL,
    first_message_id BIGINT NOT NULL,
    last_message_id BIGINT NOT NULL,
    message_count BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    state VARCHAR NOT NULL,
    error_code VARCHAR,
    http_status INTEGER,
    detail VARCHAR,
    submitted_at TIMESTAMPTZ NOT NULL,
    submitted_on DATE NOT NULL,
    answered_at TIMESTAMPTZ,
    answer_ms INTEGER
);

CREATE TABLE core.reports (
    message_id BIGINT,
    mission_num VARCHAR NOT NULL,
    phone VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    stat_time TIMESTAMPTZ NOT NULL,
    batch_num VARCHAR NOT NULL,
    is_delivered BOOLEAN NOT NULL,
    send_status VARCHAR NOT NULL,
    receive_status VARCHAR NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    source_file VARCHAR NOT NULL,
    extra JSON
);

CREATE TABLE core.replies (
    phone VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    access_num VARCHAR NOT NULL,
    replied_at TIMESTAMPTZ NOT NULL,
    has_own_time BOOLEAN NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    source_file VARCHAR NOT NULL,
    extra JSON
);

CREATE TABLE core.balances (
    queried_at TIMESTAMPTZ NOT NULL,
    balance_count BIGINT NOT NULL,
    source_file VARCHAR NOT NULL
);

CREATE TABLE core.pulls (
    source_file VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    pulled_on DATE,
    called_at TIMESTAMPTZ NOT NULL,
    outcome VARCHAR NOT NULL,
    http_status INTEGER,
    error_code VARCHAR,
    answer_ms INTEGER NOT NULL,
    record_count BIGINT NOT NULL,
    rejected_count BIGINT NOT NULL,
    new_record_count BIGINT NOT NULL
);

CREATE TABLE core.suppressions (
    phone VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    since_at TIMESTAMPTZ NOT NULL,
    source_file VARCHAR NOT NULL
);

CREATE TABLE core.rejects (
    source_file VARCHAR NOT NULL,
    position BIGINT NOT NULL,
    kind VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    raw_record VARCHAR NOT NULL
);
