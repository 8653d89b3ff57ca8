/* event_json.h: an event of a history view back from its JSON, so that a stream can be folded to how it stood.
 *
 * Purpose  the view keeps what an auditor reads (event_write_json); this walks the event's own schema beside that
 *          JSON and writes the Avro bytes it came from, which the generated decoder reads: no second mapping to keep.
 *          A row that an older release wrote is read as its events are: by aliases and defaults.
 * Rule     what the JSON leaves out on purpose comes back empty: of a Sealed text only its key's id is there.
 * Memory   the arena.
 * Thread   pure; any.            May use: base, generated codecs, jansson.
 */
#pragma once

#include "core/base/arena.h"
#include "gen/events.h"

/* `name` is the event's, e.g. "OrderPlaced"; `json` what event_write_json made. False when it is no such event. */
MUST_CHECK bool event_from_json(struct arena *arena, struct str name, struct str json, struct event *ret_event);
