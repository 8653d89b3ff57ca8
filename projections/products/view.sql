-- The catalogue. Rows are owned by their product's stream.

CREATE TABLE products (
    id text PRIMARY KEY,
    status text NOT NULL,
    title text NOT NULL,
    vendor text,
    categories text[] NOT NULL,
    tags text[] NOT NULL,
    -- Of the cheapest variant, in minor units of whatever currency; 0 without variants.
    price_least bigint NOT NULL,
    keywords text NOT NULL,
    document json COMPRESSION lz4 NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    -- What `q` is looked for in. Made here and not in project.c: what a word is, and what becomes of it, is PostgreSQL's
    -- to say, of the document as of the question.
    search tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', keywords), 'B')
        || setweight(to_tsvector('english', coalesce(document ->> 'description', '')), 'C')
    ) STORED
);
-- One for each order that a list can be asked for, with the key that its cursors hold.
CREATE INDEX products_newest ON products (created_at, id) WHERE status = 'published';
CREATE INDEX products_title ON products (lower(title), id) WHERE status = 'published';
CREATE INDEX products_price ON products (price_least, id) WHERE status = 'published';
CREATE INDEX products_vendor ON products (vendor, created_at, id) WHERE status = 'published';
-- For any of these filters together. A short pending list (KiB): each search reads all of it.
CREATE INDEX products_found ON products USING gin (search, categories, tags)
    WITH (gin_pending_list_limit = 1024) WHERE status = 'published';

-- A SKU may pass from one product to another. The two are different streams, which a rebuild may see in another order
-- than the live view did, so a row belongs to product and SKU together; once both streams were seen to their ends at
-- most one product has the SKU.
CREATE TABLE variants (
    sku text,
    product text,
    on_sale boolean NOT NULL,
    title text NOT NULL,
    barcode text,
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    attributes json NOT NULL,
    -- The variant's attributes, and its product's where it has none of that name (found_by.h).
    found_by text[] NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (sku, product)
);
CREATE INDEX variants_product ON variants (product);
CREATE INDEX variants_price ON variants (price_minor) WHERE on_sale;
CREATE INDEX variants_found ON variants USING gin (found_by) WITH (gin_pending_list_limit = 1024) WHERE on_sale;
CREATE INDEX variants_barcode ON variants (barcode) WHERE barcode IS NOT NULL;

-- How each product stood, a row an event: the state after it or its record, whichever is shorter; every 32nd version, the
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
