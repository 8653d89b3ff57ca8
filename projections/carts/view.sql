-- Carts. Rows are owned by the cart's stream.

CREATE TABLE carts (
    id text PRIMARY KEY,
    customer text, -- whose it is; a guest's without
    status text NOT NULL,
    skus text[] NOT NULL,
    reference text,
    order_id text,
    total_minor bigint NOT NULL,
    currency text NOT NULL,
    document json COMPRESSION lz4 NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 70);
-- For whoever takes along what is his; most carts are guests'.
CREATE INDEX carts_customer ON carts (customer, id) WHERE customer IS NOT NULL;
