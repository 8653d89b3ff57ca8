-- Payments. Rows are owned by the payment's stream.

CREATE TABLE payments (
    id text PRIMARY KEY,
    order_id text NOT NULL,
    status text NOT NULL,
    provider text NOT NULL,
    method text NOT NULL,
    amount_minor bigint NOT NULL,
    authorized_minor bigint NOT NULL,
    captured_minor bigint NOT NULL,
    refund_pending_minor bigint NOT NULL,
    refunded_minor bigint NOT NULL,
    contested_minor bigint NOT NULL, -- by disputes that are open
    lost_minor bigint NOT NULL, -- by disputes that were lost
    currency text NOT NULL,
    document json COMPRESSION lz4 NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX payments_order ON payments (order_id);
