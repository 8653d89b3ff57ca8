-- Orders with their lines and history. Rows are owned by the order's stream.

CREATE TABLE orders (
    id text PRIMARY KEY,
    cart text NOT NULL,
    customer text, -- whose it is; a guest's without
    status text NOT NULL,
    reference text,
    total_minor bigint NOT NULL,
    currency text NOT NULL,
    document json COMPRESSION lz4 NOT NULL,
    version bigint NOT NULL,
    placed_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX orders_newest ON orders (placed_at, id);
CREATE INDEX orders_total ON orders (total_minor, id);
CREATE INDEX orders_status ON orders (status, placed_at, id);
CREATE INDEX orders_customer ON orders (customer, placed_at, id) WHERE customer IS NOT NULL;
CREATE INDEX orders_reference ON orders (reference) WHERE reference IS NOT NULL;

-- What was ordered, as it was placed.
CREATE TABLE order_lines (
    order_id text,
    line bigint,
    sku text NOT NULL,
    product text NOT NULL,
    title text NOT NULL,
    quantity bigint NOT NULL,
    unit_price_minor bigint NOT NULL,
    total_minor bigint NOT NULL,
    currency text NOT NULL,
    placed_at timestamptz NOT NULL, -- the order's
    PRIMARY KEY (order_id, line)
);
CREATE INDEX order_lines_sku ON order_lines (sku, order_id);
-- A vendor's orders are those with lines of his products: each product's newest are read, and no other order.
CREATE INDEX order_lines_product ON order_lines (product, placed_at, order_id);

-- The order's events. hash is BLAKE2b-256 of the record's value, which the next event names as its prev_hash.
CREATE TABLE order_history (
    order_id text,
    version bigint,
    occurred_at timestamptz NOT NULL,
    type text NOT NULL,
    actor text NOT NULL,
    command_id text NOT NULL,
    causation_id text NOT NULL,
    hash bytea NOT NULL,
    event json COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (order_id, version)
);
