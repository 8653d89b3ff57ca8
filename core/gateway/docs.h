/* docs.h: GET /docs and /docs/events: what the system offers, for people.
 *
 * Purpose  both pages are tables that need no JavaScript. Where a renderer is installed (docs_dir), a browser with
 *          JavaScript shows /openapi.json and /asyncapi.json by it instead: Redoc, which `make deps` puts there.
 * Promise  no page loads anything from another host, nor runs anything but the renderer: their Content-Security-Policy
 *          says so. One file is read, by one name, once, when the front starts: no request ever names a file.
 * Bounds   DOCS_RENDERER_MAX_BYTES; a larger file, or none where docs_dir is set, is an error at the start.
 * Thread   docs_load before the loops; the rest a loop's.           May use: http, generated tables, sodium.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/err.h"

#define DOCS_RENDERER_FILE "redoc.standalone.js"

enum { DOCS_RENDERER_MAX_BYTES = 8 * 1024 * 1024, DOCS_ETAG_BYTES = 16 };

struct request;

/* Zeroed: nothing is installed. */
struct docs {
    struct buf renderer;
    char etag[2 * DOCS_ETAG_BYTES + 3]; /* with its quotation marks */
};

/* folder: "" for none, and then nothing is read. ERR_CONFIG says which file, and why. */
MUST_CHECK enum err docs_load(struct docs *docs, const char *folder, struct err_info *info);
void docs_release(struct docs *docs);

void docs_page(struct request *request);
void docs_events_page(struct request *request);
/* 404 where none is installed. */
void docs_renderer(struct request *request);
