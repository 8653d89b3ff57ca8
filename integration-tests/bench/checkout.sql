-- What a shop on PostgreSQL alone would do for a checkout of two lines, in one transaction and one round trip: take the
-- stock, or fail; write the order, its lines, its payment and the key that makes a retry harmless.
DROP SCHEMA IF EXISTS plain CASCADE;
CREATE SCHEMA plain;
SET search_path TO plain;

CREATE TABLE stock (sku text PRIMARY KEY, on_hand bigint NOT NULL, reserved bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, cart text NOT NULL, status text NOT NULL,
    total_minor bigint NOT NULL, placed_at timestamptz NOT NULL);
CREATE TABLE order_lines (order_id bigint, line int, sku text NOT NULL, quantity bigint NOT NULL, price_minor bigint NOT NULL,
    PRIMARY KEY (order_id, line));
CREATE TABLE payments (order_id bigint PRIMARY KEY, status text NOT NULL, amount_minor bigint NOT NULL);
CREATE TABLE requests (key text PRIMARY KEY, order_id bigint NOT NULL);

INSERT INTO stock SELECT 'BENCH-' || i, 900000000, 0 FROM generate_series(0, 199) AS i;

-- Rows are locked in the order of their SKUs, so that two checkouts never wait for each other.
CREATE FUNCTION check_out(a text, b text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    taken int;
    placed bigint;
    wish text;
BEGIN
    FOREACH wish IN ARRAY CASE WHEN a < b THEN ARRAY[a, b] ELSE ARRAY[b, a] END LOOP
        UPDATE plain.stock SET reserved = reserved + 1 WHERE sku = wish AND on_hand - reserved >= 1;
        GET DIAGNOSTICS taken = ROW_COUNT;
        IF taken = 0 THEN
            RAISE EXCEPTION 'out of stock: %', wish;
        END IF;
    END LOOP;
    INSERT INTO plain.orders (cart, status, total_minor, placed_at)
        VALUES ('cart_' || gen_random_uuid(), 'confirmed', 300, now()) RETURNING id INTO placed;
    INSERT INTO plain.order_lines VALUES (placed, 1, a, 1, 100), (placed, 2, b, 1, 200);
    INSERT INTO plain.payments VALUES (placed, 'captured', 300);
    INSERT INTO plain.requests VALUES (gen_random_uuid()::text, placed);
    RETURN placed;
END $$;

-- What COPY is given, and where it goes: rows like those of the view of orders.
CREATE TABLE copied (id text PRIMARY KEY, status text NOT NULL, total_minor bigint NOT NULL, placed_at timestamptz NOT NULL,
    document json NOT NULL);
