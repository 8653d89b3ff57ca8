-- The catalogue. Rows are owned by their product's stream.

CREATE TABLE products (
    id text PRIMARY KEY,
    status text NOT NULL,
    title text NOT NULL,
    vendor text,
    categories text[] NOT NULL,
    tags text[] NOT NULL,
    document json COMPRESSION lz4 NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX products_newest ON products (created_at, id) WHERE status = 'published';
CREATE INDEX products_vendor ON products (vendor) WHERE status = 'published';
CREATE INDEX products_categories ON products USING gin (categories);
CREATE INDEX products_tags ON products USING gin (tags);

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
    version bigint NOT NULL,
    PRIMARY KEY (sku, product)
);
CREATE INDEX variants_barcode ON variants (barcode) WHERE barcode IS NOT NULL;
