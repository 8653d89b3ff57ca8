-- Stock by SKU, and the ledger of its movements. Rows are owned by the SKU's stream.

CREATE TABLE stock (
    sku text PRIMARY KEY,
    product text,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL,
    available bigint NOT NULL,
    document json COMPRESSION lz4 NOT NULL,
    version bigint NOT NULL,
    -- From which version on its product has it, or had it last: what was before is another's.
    held_since bigint NOT NULL
) WITH (fillfactor = 70);

-- Every change of on_hand or reserved, one row a location: summed over a SKU and location they give what is there.
CREATE TABLE movements (
    sku text,
    version bigint,
    location text,
    occurred_at timestamptz NOT NULL,
    type text NOT NULL,
    on_hand_delta bigint NOT NULL,
    reserved_delta bigint NOT NULL,
    owner text,
    reference text,
    reason text,
    actor text NOT NULL,
    command_id text NOT NULL,
    causation_id text NOT NULL,
    event_id text NOT NULL,
    PRIMARY KEY (sku, version, location)
);

-- How each SKU stood, a row an event: the state after it or its record, whichever is shorter; every 32nd version, the
-- marks, has its state (projections/runtime/history.h, HISTORY_STEP).
CREATE TABLE history (
    stream text,
    version bigint,
    occurred_at timestamptz NOT NULL,
    state bytea,
    record bytea,
    PRIMARY KEY (stream, version)
);
CREATE INDEX history_marks ON history (stream, occurred_at, version) WHERE version % 32 = 0;
