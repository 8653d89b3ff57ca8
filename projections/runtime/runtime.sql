-- What the runtime keeps in every view's schema, beside the view's own tables.

-- The format of the view's rows (struct view); another one than the program's must be rebuilt.
CREATE TABLE about (format bigint NOT NULL);

-- How far the view is: moved in the transaction that writes the rows, and only from where it was (the fence).
CREATE TABLE position (
    topic text,
    shard bigint,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, shard)
);

-- Each stream's version, for contiguity and position tokens, and its folded state (Avro).
CREATE TABLE streams (
    stream text PRIMARY KEY,
    hash bigint NOT NULL,
    version bigint NOT NULL,
    parked boolean NOT NULL,
    state bytea COMPRESSION lz4 NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX streams_hash ON streams (hash);

-- Events that were set aside, by their coordinates in the log: what could not be read or written, and what came after
-- it in the same stream.
CREATE TABLE parked (
    topic text,
    shard bigint,
    log_offset bigint,
    stream text,
    version bigint,
    appended_at timestamptz NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (topic, shard, log_offset)
);
