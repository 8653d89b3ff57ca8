#include "core/gateway/docs.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "core/gateway/loop.h"
#include "core/gateway/openapi.h"
#include "core/gateway/request.h"
#include "gen/codec.h"

enum { PAGE_MAX_BYTES = 4 * 1024 * 1024, READ_BYTES = 64 * 1024 };

/* The renderer makes styles as it runs, and marks of its own as data. */
#define POLICY                                                                                                         \
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; img-src 'self' data:; "     \
    "font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* ---- what is installed ------------------------------------------------------------------------------------------- */

static void close_file(FILE **file) {
    if (*file != NULL) {
        (void)fclose(*file);
    }
}

static enum err read_renderer(struct buf *out, const char *path, struct err_info *info) {
    __attribute__((cleanup(close_file))) FILE *file = fopen(path, "re");
    if (file == NULL) {
        return err_set(info, ERR_CONFIG, "docs_dir: cannot open %s: %s", path, strerror(errno));
    }
    char bytes[READ_BYTES];
    size_t got;
    while (buf_ok(out) && (got = fread(bytes, 1, sizeof bytes, file)) > 0) {
        buf_str(out, str_of(bytes, (uint32_t)got));
    }
    if (ferror(file)) {
        return err_set(info, ERR_CONFIG, "docs_dir: cannot read %s: %s", path, strerror(errno));
    }
    if (!buf_ok(out) || out->len == 0) {
        return err_set(info, ERR_CONFIG, "docs_dir: %s must have 1 to %d bytes", path, DOCS_RENDERER_MAX_BYTES);
    }
    return ERR_NONE;
}

static void make_etag(struct docs *docs) {
    uint8_t hash[DOCS_ETAG_BYTES];
    (void)crypto_generichash(hash, sizeof hash, (const uint8_t *)docs->renderer.data, docs->renderer.len, NULL, 0);
    char hex[2 * DOCS_ETAG_BYTES + 1];
    (void)snprintf(docs->etag, sizeof docs->etag, "\"%s\"", sodium_bin2hex(hex, sizeof hex, hash, sizeof hash));
}

enum err docs_load(struct docs *docs, const char *folder, struct err_info *info) {
    *docs = (struct docs){0};
    if (folder[0] == '\0') {
        return ERR_NONE;
    }
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/" DOCS_RENDERER_FILE, folder) >= (int)sizeof path) {
        return err_set(info, ERR_CONFIG, "docs_dir is too long");
    }
    buf_init(&docs->renderer, DOCS_RENDERER_MAX_BYTES);
    enum err err = read_renderer(&docs->renderer, path, info);
    if (err == ERR_NONE) {
        make_etag(docs);
    } else {
        docs_release(docs);
    }
    return err;
}

void docs_release(struct docs *docs) {
    buf_release(&docs->renderer);
    *docs = (struct docs){0};
}

static const struct docs *docs_of(const struct request *request) {
    return &request->loop->gateway->docs;
}

static bool has_renderer(const struct docs *docs) {
    return docs->renderer.len > 0;
}

void docs_renderer(struct request *request) {
    const struct docs *docs = docs_of(request);
    if (!has_renderer(docs)) {
        request_refuse(request, 404, "unknown_path", "No renderer is installed here (docs_dir).");
        return;
    }
    http_answer_field(request->exchange, "ETag", str_of_cstr(docs->etag));
    http_answer_field(request->exchange, "Cache-Control", STR("public, max-age=3600"));
    if (request_knows(request, str_of_cstr(docs->etag))) {
        request_answer(request, 304, NULL, (struct str){0});
    } else {
        request_answer(request, 200, "text/javascript; charset=utf-8", buf_text(&docs->renderer));
    }
}

/* ---- pages ------------------------------------------------------------------------------------------------------- */

static void write_text(struct buf *out, const char *text) {
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            buf_str(out, STR("&lt;"));
            break;
        case '&':
            buf_str(out, STR("&amp;"));
            break;
        case '"':
            buf_str(out, STR("&quot;"));
            break;
        default:
            buf_byte(out, *text);
        }
    }
}

static void begin_page(struct buf *out, const char *title) {
    buf_printf(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title>\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<style>body{margin:0;font:16px/1.5 system-ui}nav,main{max-width:72rem;margin:1rem auto;padding:0 1rem}"
        "nav a{margin-right:1rem}td,th{padding:.2rem .8rem .2rem 0;vertical-align:top;text-align:left}</style>\n"
        "</head><body>\n<nav><b>Daybook</b> &nbsp; <a href=\"/docs\">HTTP</a> <a href=\"/docs/events\">Events</a> "
        "<a href=\"/openapi.json\">openapi.json</a> <a href=\"/asyncapi.json\">asyncapi.json</a> "
        "<a href=\"/registry/subjects\">schemas</a></nav>\n",
        title);
}

/* The table that `write` makes; where a renderer is installed, for browsers without JavaScript alone. */
static void answer_page(struct request *request, const char *title, const char *document,
                        void (*write)(struct buf *out)) {
    bool is_rendered = has_renderer(docs_of(request));
    struct buf page;
    buf_init(&page, PAGE_MAX_BYTES);
    begin_page(&page, title);
    buf_str(&page, is_rendered ? STR("<noscript>") : STR(""));
    buf_str(&page, STR("<main>\n"));
    write(&page);
    buf_str(&page, STR("</main>"));
    buf_str(&page, is_rendered ? STR("</noscript>") : STR(""));
    if (is_rendered) {
        buf_printf(&page,
                   "\n<redoc spec-url=\"%s\" disable-telemetry=\"true\"></redoc>\n"
                   "<script type=\"module\" src=\"/docs/renderer.js\"></script>",
                   document);
    }
    buf_str(&page, STR("\n</body></html>\n"));
    http_answer_field(request->exchange, "Content-Security-Policy", STR(POLICY));
    http_answer_field(request->exchange, "Referrer-Policy", STR("no-referrer"));
    request_answer(request, 200, "text/html; charset=utf-8", buf_text(&page));
    buf_release(&page);
}

/* ---- the HTTP API ------------------------------------------------------------------------------------------------ */

static void write_route(struct buf *out, const struct route *route) {
    char meaning[OPENAPI_MEANING_MAX];
    buf_printf(out, "<tr><td>%s<td><code>%s</code><td>%s<td>", route->method_name, route->pattern, route->may);
    write_text(out, openapi_meaning(route, meaning));
    buf_str(out, route->key_required ? STR(" <b>Idempotency-Key required.</b>") : STR(""));
    if (route->query != NULL && *route->query != '\0') {
        buf_printf(out, " <code>?%s</code>", route->query);
    }
    buf_str(out, STR("\n"));
}

static void write_routes(struct buf *out) {
    buf_str(
        out,
        STR("<h1>The HTTP API</h1>\n<p>Who may: P anybody, p who holds the cart's token, c customer and v vendor (of "
            "their own), H support, A admin, N analyst, U auditor, S service, m who reads metrics. <a "
            "href=\"/openapi.json\">/openapi.json</a> has each body, answer and problem.\n"
            "<table>\n<tr><th>Method<th>Path<th>Who may<th>What it does\n"));
    for (size_t i = 0; i < route_count; i++) {
        write_route(out, &routes[i]);
    }
    buf_str(out, STR("</table>\n"));
}

void docs_page(struct request *request) {
    answer_page(request, "Daybook: the HTTP API", "/openapi.json", write_routes);
}

/* ---- the event streams ------------------------------------------------------------------------------------------- */

static void write_event(struct buf *out, const struct event_info *event) {
    json_auto_t *record = json_loads(schema_by_id(event->schema_id)->json, 0, NULL);
    buf_printf(out, "<tr><td>%s<td><a href=\"/registry/schemas/ids/%u\"><code>%s</code></a><td>", event->family,
               event->schema_id, event->name);
    write_text(out, json_string_value(json_object_get(record, "doc")));
    buf_str(out, STR("<td>"));
    size_t i;
    json_t *field;
    json_array_foreach(json_object_get(record, "fields"), i, field) {
        buf_printf(out, "%s<code title=\"", i == 0 ? "" : " ");
        write_text(out, json_string_value(json_object_get(field, "doc")));
        buf_printf(out, "\">%s</code>", json_string_value(json_object_get(field, "name")));
    }
    buf_str(out, STR("\n"));
}

static void write_events(struct buf *out) {
    buf_str(out, STR("<h1>The event streams</h1>\n<p>Kafka topics, to be read with isolation.level=read_committed; "
                     "the values are Avro in Confluent's framing, whose schemas are served at /registry. "
                     "<a href=\"/asyncapi.json\">/asyncapi.json</a> has keys, order, headers and schemas.\n"
                     "<table>\n<tr><th>Topic<th>Event<th>What happened<th>Fields\n"));
    const struct event_info *event;
    for (uint16_t type = 1; (event = event_info(type)) != NULL; type++) {
        write_event(out, event);
    }
    buf_str(out, STR("</table>\n"));
}

void docs_events_page(struct request *request) {
    answer_page(request, "Daybook: the event streams", "/asyncapi.json", write_events);
}
