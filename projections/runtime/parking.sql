-- What came to every view's schema after runtime.sql.

-- Drawn for each schema, and anew whenever something is changed that a projector remembers (what is parked, what is
-- skipped). It is part of the fence: whoever goes on from what was true before is refused, and so is who finds other
-- tables under the name, as after a switch.
ALTER TABLE about ADD COLUMN epoch uuid NOT NULL DEFAULT gen_random_uuid();

-- The events that somebody decided to pass over, and why. A record of no known stream stands here under its place,
-- TOPIC/SHARD/OFFSET, with version 0.
CREATE TABLE skipped (
    stream text,
    version bigint,
    parked_reason text NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    skipped_at timestamptz NOT NULL,
    PRIMARY KEY (stream, version)
);
