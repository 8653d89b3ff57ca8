-- What was sold and what was cancelled, summed up by quarters of an hour of UTC, which every zone's days begin at. Rows are
-- added to by many streams: each group of columns by those of one family, and only by sums, so that topics and shards
-- may be read in any order.

-- By currency. A family's columns: orders to cancelled_minor are of orders, refunded_minor is of payments.
CREATE TABLE totals (
    at timestamptz, -- the quarter's beginning
    currency text COLLATE "C",
    orders bigint NOT NULL,
    units bigint NOT NULL,
    gross_minor bigint NOT NULL,
    cancelled_orders bigint NOT NULL,
    cancelled_units bigint NOT NULL,
    cancelled_minor bigint NOT NULL,
    refunded_minor bigint NOT NULL,
    PRIMARY KEY (at, currency)
) WITH (fillfactor = 50);

-- By product; orders are those that have it. Of orders.
CREATE TABLE products (
    product text COLLATE "C",
    currency text COLLATE "C",
    at timestamptz,
    orders bigint NOT NULL,
    units bigint NOT NULL,
    gross_minor bigint NOT NULL,
    cancelled_orders bigint NOT NULL,
    cancelled_units bigint NOT NULL,
    cancelled_minor bigint NOT NULL,
    PRIMARY KEY (product, currency, at)
) WITH (fillfactor = 70);
-- For a short time, in which few products were sold.
CREATE INDEX products_at ON products (at);

-- What the catalogue says of products. Of the product's stream.
CREATE TABLE facts (
    product text COLLATE "C" PRIMARY KEY,
    title text NOT NULL,
    vendor text COLLATE "C" NOT NULL, -- '' for none
    categories text[] COLLATE "C" NOT NULL -- each once; {''} for none
) WITH (fillfactor = 80);

-- `products` by vendor and by category, as `facts` has them now, so that a question about a year reads some thousand rows
-- and not each product's. Kept by the triggers below: what a product has sold is added to its groups, and moves when it
-- gets others; '' is those of products without one, and of products that the catalogue has not told of yet. So a
-- row is the sum over the two tables, in whichever order they were written, and a rebuild comes to the same.
CREATE TABLE groups (
    kind text COLLATE "C", -- vendor, category
    span text COLLATE "C", -- quarter (of an hour), day, month (of UTC): what begins `at`
    at timestamptz,
    name text COLLATE "C",
    currency text COLLATE "C",
    units bigint NOT NULL,
    gross_minor bigint NOT NULL,
    cancelled_units bigint NOT NULL,
    cancelled_minor bigint NOT NULL,
    PRIMARY KEY (kind, span, at, name, currency)
) WITH (fillfactor = 50);

-- Adds to the groups what came and takes away what went; a statement's rows together, in the groups' order. What did not
-- change is taken out first. No row is left of a group that has nothing more. The schema's name is not known before: a
-- rebuild is renamed.
CREATE FUNCTION sum_groups() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    figures CONSTANT text := 'units, gross_minor, cancelled_units, cancelled_minor';
    minus CONSTANT text := '-units, -gross_minor, -cancelled_units, -cancelled_minor';
    sums CONSTANT text := 'sum(units) AS units, sum(gross_minor) AS gross_minor,'
                          ' sum(cancelled_units) AS cancelled_units, sum(cancelled_minor) AS cancelled_minor';
    changes text; -- sums with vendor and categories
    kinds text[]; spans text[]; times timestamptz[]; names text[]; currencies text[];
BEGIN
    IF NOT EXISTS (SELECT FROM after) THEN
        RETURN NULL;
    ELSIF TG_TABLE_NAME = 'facts' THEN
        changes := 'SELECT product, vendor, categories FROM after';
        IF TG_OP = 'UPDATE' THEN
            changes := format('SELECT *, 1 AS sign FROM (%1$s EXCEPT ALL %2$s) AS c'
                              ' UNION ALL SELECT *, -1 FROM (%2$s EXCEPT ALL %1$s) AS w',
                              changes, 'SELECT product, vendor, categories FROM before');
        ELSE
            changes := format('SELECT *, 1 AS sign FROM (%s) AS c'
                              ' UNION ALL SELECT product, '''', ''{""}'', -1 FROM after', changes);
        END IF;
        changes := format('SELECT p.currency, p.at, m.vendor, m.categories, m.sign * p.units AS units,'
                          ' m.sign * p.gross_minor AS gross_minor, m.sign * p.cancelled_units AS cancelled_units,'
                          ' m.sign * p.cancelled_minor AS cancelled_minor'
                          ' FROM (%s) AS m JOIN %I.products AS p USING (product)', changes, TG_TABLE_SCHEMA);
    ELSE
        changes := format('SELECT product, currency, at, %s FROM after', figures);
        IF TG_OP = 'UPDATE' THEN
            changes := format('%s UNION ALL SELECT product, currency, at, %s FROM before', changes, minus);
        END IF;
        changes := format('SELECT s.currency, s.at, coalesce(f.vendor, '''') AS vendor,'
                          ' coalesce(f.categories, ''{""}'') AS categories, %s'
                          ' FROM (SELECT product, currency, at, %s FROM (%s) AS c GROUP BY product, currency, at) AS s'
                          ' LEFT JOIN %I.facts AS f USING (product)', figures, sums, changes, TG_TABLE_SCHEMA);
    END IF;
    EXECUTE format(
        'WITH changes AS (%2$s), named AS (
             SELECT ''vendor'' AS kind, vendor AS name, currency, at, %3$s FROM changes
             UNION ALL SELECT ''category'', unnest(categories), currency, at, %3$s FROM changes
         ), quarters AS (
             SELECT kind, at, name, currency, %4$s FROM named GROUP BY kind, at, name, currency
         ), counted AS (
             SELECT kind, ''quarter'' AS span, at, name, currency, %3$s FROM quarters
             UNION ALL SELECT kind, span, date_trunc(span, at, ''UTC''), name, currency, %4$s
             FROM quarters CROSS JOIN (VALUES (''day''), (''month'')) AS spans (span)
             GROUP BY kind, span, date_trunc(span, at, ''UTC''), name, currency
         ), put AS (
             INSERT INTO %1$I.groups AS g SELECT kind, span, at, name, currency, %3$s FROM counted
             WHERE (units, gross_minor, cancelled_units, cancelled_minor) <> (0, 0, 0, 0)
             ORDER BY kind, span, at, name, currency
             ON CONFLICT (kind, span, at, name, currency) DO UPDATE SET
                 units = g.units + excluded.units, gross_minor = g.gross_minor + excluded.gross_minor,
                 cancelled_units = g.cancelled_units + excluded.cancelled_units,
                 cancelled_minor = g.cancelled_minor + excluded.cancelled_minor
             RETURNING g.*
         )
         SELECT array_agg(kind), array_agg(span), array_agg(at), array_agg(name), array_agg(currency) FROM put
         WHERE units = 0 AND cancelled_units = 0', TG_TABLE_SCHEMA, changes, figures, sums)
    INTO kinds, spans, times, names, currencies;
    IF kinds IS NOT NULL THEN
        EXECUTE format('DELETE FROM %I.groups AS g USING unnest($1, $2, $3, $4, $5) AS e (kind, span, at, name, currency)
                        WHERE (g.kind, g.span, g.at, g.name, g.currency) = (e.kind, e.span, e.at, e.name, e.currency)',
                       TG_TABLE_SCHEMA) USING kinds, spans, times, names, currencies;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER products_come AFTER INSERT ON products REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION sum_groups();
CREATE TRIGGER products_change AFTER UPDATE ON products REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION sum_groups();
CREATE TRIGGER facts_come AFTER INSERT ON facts REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION sum_groups();
CREATE TRIGGER facts_change AFTER UPDATE ON facts REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION sum_groups();

-- Whether PostgreSQL knows the time zone: it alone has the list, and its view of that reads a thousand files.
CREATE FUNCTION knows_zone(zone text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM timestamptz 'epoch' AT TIME ZONE zone;
    RETURN true;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false;
END $$;
