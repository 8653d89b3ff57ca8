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
    -- So that a list knows where its page is full without reading any.
    document_bytes bigint NOT NULL,
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
-- A vendor's own, whatever their status: his orders are found by them.
CREATE INDEX products_of_vendor ON products (vendor) WHERE vendor IS NOT NULL;
-- For any of these filters together. A short pending list (KiB): each search reads all of it.
CREATE INDEX products_found ON products USING gin (search, categories, tags)
    WITH (gin_pending_list_limit = 1024) WHERE status = 'published';

-- pg_trgm finds words that are spelt alike. It is a trusted extension: whoever may create schemas in the database may
-- install it. Where it is there already, it may be in any schema: that one is looked through from here on, and what is
-- made remembers what it found there, not the name.
CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;
SELECT set_config('search_path', concat(quote_ident(current_schema()), ', ', extnamespace::regnamespace), true)
FROM pg_extension WHERE extname = 'pg_trgm';

-- The words of published products, as they are written in titles and keywords, and of how many products each is: what a
-- word that is half typed may become, and what a misspelt one may have meant. Words of letters alone, of 2 to 32 bytes:
-- numbers and SKUs are looked for as they are. Kept by the triggers below, and a sum over products, so that a rebuild
-- comes to the same; a word that no product has any more is gone.
CREATE TABLE words (
    word text COLLATE "C" PRIMARY KEY,
    -- What `products.search` has in its place.
    lexeme text NOT NULL,
    products bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX words_lexeme ON words (lexeme);
CREATE INDEX words_alike ON words USING gin (word gin_trgm_ops);

-- Those that may have been meant by `asked`: by trigrams, and by two letters that changed places, which in a short word
-- leave no trigram as it was. The most alike, at most 20 and the transposed ones; which it is, question.c says.
CREATE FUNCTION words_alike(asked text) RETURNS SETOF words LANGUAGE sql STABLE
BEGIN ATOMIC
    (SELECT * FROM words WHERE word % asked ORDER BY similarity(word, asked) DESC, products DESC, word LIMIT 20)
    UNION
    SELECT * FROM words WHERE word IN (
        SELECT overlay(asked PLACING reverse(substr(asked, n, 2)) FROM n FOR 2) FROM generate_series(1, length(asked) - 1) AS n
    );
END;

-- Counts the words of what came and went; a statement's rows together, in the words' order. What did not change is
-- taken out first, as most changes of a product are none of its words. The schema's name is not known before: a rebuild
-- is renamed.
CREATE FUNCTION count_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    came CONSTANT text := 'SELECT title, keywords FROM after WHERE status = ''published''';
    went CONSTANT text := 'SELECT title, keywords FROM before WHERE status = ''published''';
    changes text := format('SELECT *, 1 AS change FROM (%s) AS c', came);
    emptied text[];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        changes := format('SELECT *, 1 AS change FROM (%1$s EXCEPT ALL %2$s) AS c'
                          ' UNION ALL SELECT *, -1 FROM (%2$s EXCEPT ALL %1$s) AS w', came, went);
    END IF;
    EXECUTE format(
        'WITH changes AS (%2$s), counted AS (
             SELECT word, sum(change) AS products
             FROM changes, unnest(tsvector_to_array(to_tsvector(''simple'', concat(title, '' '', keywords)))) AS word
             WHERE octet_length(word) BETWEEN 2 AND 32 AND word !~ ''[\u0001-\u0060\u007b-\u007f]''
             GROUP BY word HAVING sum(change) <> 0
         ), put AS (
             INSERT INTO %1$I.words AS w
             SELECT word, lexeme, products FROM counted, unnest(ts_lexize(''english_stem'', word)) AS lexeme ORDER BY word
             ON CONFLICT (word) DO UPDATE SET products = w.products + excluded.products
             RETURNING w.word, w.products
         )
         SELECT array_agg(word) FROM put WHERE products = 0', TG_TABLE_SCHEMA, changes) INTO emptied;
    IF emptied IS NOT NULL THEN
        EXECUTE format('DELETE FROM %I.words WHERE word = ANY ($1)', TG_TABLE_SCHEMA) USING emptied;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER products_come AFTER INSERT ON products REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION count_words();
CREATE TRIGGER products_change AFTER UPDATE ON products REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION count_words();

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
