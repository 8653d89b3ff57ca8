-- Customers, their sessions and their history. Rows are owned by the customer's stream. What is personal stands here as
-- it does in the log: sealed, under keys that the vault keeps.

-- The state that a customer's document is made of stands in `streams`; state_schema says which version of it.
CREATE TABLE customers (
    id text PRIMARY KEY,
    status text NOT NULL,
    -- The stream of his address, a keyed hash. NULL, and no roles, from when he is to be erased.
    identity text,
    roles text[] NOT NULL,
    -- Whose goods, where one of the roles is vendor.
    vendor text,
    -- Sessions before this one have ended, save the one that was kept (0: none).
    sessions_from bigint NOT NULL,
    session_kept bigint NOT NULL,
    state_schema bigint NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 70);
-- Several may wait for one address, and one has it, whether he is let in or suspended.
CREATE INDEX customers_identity ON customers (identity, (status IN ('active', 'suspended')), created_at, id)
    WHERE identity IS NOT NULL;
CREATE INDEX customers_newest ON customers (created_at, id);
CREATE INDEX customers_status ON customers (status, created_at, id);
-- Of the few who have any.
CREATE INDEX customers_roles ON customers USING gin (roles) WHERE roles <> '{}';

-- Each session that was opened, and from where: sealed.
CREATE TABLE sessions (
    customer text,
    session bigint,
    opened_at timestamptz NOT NULL,
    method text NOT NULL,
    client_key text,
    client_nonce bytea,
    client bytea,
    PRIMARY KEY (customer, session)
);

-- When a session was refreshed last, or opened. The row goes with a session that ends by itself.
CREATE TABLE session_uses (
    customer text,
    session bigint,
    used_at timestamptz NOT NULL,
    generation bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (customer, session)
) WITH (fillfactor = 70);

-- What ended and when, by the version of the event: one session; or all before it, save the one that was kept (0: none).
CREATE TABLE session_ends (
    customer text,
    version bigint,
    session bigint NOT NULL,
    upto boolean NOT NULL,
    kept bigint NOT NULL,
    ended_at timestamptz NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (customer, version)
);
CREATE INDEX session_ends_time ON session_ends (ended_at, customer, version);

-- The customer's events, without refreshes. hash is BLAKE2b-256 of the record's value, which the next event names as its
-- prev_hash; of what is sealed the event shows the id of the key.
CREATE TABLE customer_history (
    customer text,
    version bigint,
    occurred_at timestamptz NOT NULL,
    type text NOT NULL,
    actor text NOT NULL,
    command_id text NOT NULL,
    causation_id text NOT NULL,
    hash bytea NOT NULL,
    event json COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (customer, version)
);
