-- The tree of categories. All rows are owned by the one stream that the tree is.

CREATE TABLE categories (
    slug text PRIMARY KEY,
    title text NOT NULL,
    -- The category that it stands in; NULL: it stands at the top.
    parent text,
    position bigint NOT NULL,
    document json COMPRESSION lz4 NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
-- One for each order that a list can be asked for.
CREATE INDEX categories_position ON categories (position, slug);
CREATE INDEX categories_title ON categories (lower(title), slug);
-- Those that stand in one, in order; and the way down from it.
CREATE INDEX categories_parent ON categories (parent, position, slug);
