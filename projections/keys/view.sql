-- API keys. Rows are owned by the key's stream. Of a key itself there is its hash alone.

CREATE TABLE keys (
    id text PRIMARY KEY,
    name text NOT NULL,
    status text NOT NULL,
    roles text[] NOT NULL,
    -- Whose goods, where one of the roles is vendor.
    vendor text,
    hash bytea NOT NULL,
    -- Of the key before, and until when that is good.
    previous_hash bytea,
    previous_until timestamptz,
    expires_at timestamptz,
    -- The hour in which it was used last.
    used_at timestamptz,
    document json COMPRESSION lz4 NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX keys_newest ON keys (created_at, id);
CREATE INDEX keys_name ON keys (lower(name), id);
-- What fronts read whole.
CREATE INDEX keys_active ON keys (created_at, id) WHERE status = 'active';
