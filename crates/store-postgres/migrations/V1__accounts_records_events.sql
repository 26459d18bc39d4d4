-- User ids and keys are compared as bytes, whatever the database's collation. Times are milliseconds since 1970, UTC.

-- Version 0 without a value: a user who has events but never had an account.
CREATE TABLE accounts (
    user_id text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    account bytea NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE records (
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    bytes bytea NOT NULL,
    user_id text COLLATE "C",
    expires_at bigint,
    PRIMARY KEY (kind, key)
) PARTITION BY LIST (kind);
CREATE INDEX records_of_user ON records (user_id, kind) WHERE user_id IS NOT NULL;
CREATE INDEX records_by_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;

-- What lives for minutes has a table of its own: it is nearly all dead rows, and cleaning it up does not touch the rest.
CREATE TABLE sessions PARTITION OF records
    FOR VALUES IN ('auth_session', 'login_token', 'proof', 'recovery_login')
    WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE TABLE records_other PARTITION OF records DEFAULT WITH (autovacuum_vacuum_scale_factor = 0.05);

-- The audit, ready to be partitioned by time: attach a table for each month before it begins, detach it when it has been kept long enough.
CREATE SEQUENCE events_seq;
CREATE TABLE events (
    at bigint NOT NULL,
    seq bigint NOT NULL DEFAULT nextval('events_seq'),
    user_id text COLLATE "C" NOT NULL,
    event bytea NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX events_of_user ON events (user_id, at, seq);
CREATE TABLE events_other PARTITION OF events DEFAULT;

-- The last batch of each committing lane of each server: who lost the connection while it committed looks here what became of it.
CREATE TABLE lanes (
    id text COLLATE "C" PRIMARY KEY,
    batch bigint NOT NULL,
    used_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
