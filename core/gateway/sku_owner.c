#include "core/gateway/sku_owner.h"

#include "core/base/timestamp.h"
#include "core/gateway/intake.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"

struct sku_owner {
    struct request *request;
    struct str sku;
    struct position position;
    struct view_wait view_wait;
    struct vendor_request vendor;
    void (*on_known)(struct request *request, bool is_his);
    /* As they were before. */
    void (*on_lost)(struct request *request);
    void *waiting;
};

static void on_vendor(void *context, bool is_known, struct str vendor) {
    struct sku_owner *owner = context;
    struct request *request = owner->request;
    if (request->is_lost) {
        request_drop(request);
    } else if (!is_known) {
        request_no_database(request);
    } else {
        struct str his = request->principal.vendor;
        request->on_lost = owner->on_lost;
        request->waiting = owner->waiting;
        owner->on_known(request, !str_is_empty(his) && str_equal(his, vendor));
    }
}

static void on_catalogue(void *context, enum view_state state) {
    struct sku_owner *owner = context;
    if (state == VIEW_CAUGHT_UP) {
        facts_vendor_of_sku(&owner->vendor, owner->sku, position_names(&owner->position, TOPIC_CATALOG));
    } else {
        request_view_is_not_there(owner->request, state);
    }
}

static void on_lost(struct request *request) {
    struct sku_owner *owner = request->waiting;
    if (view_wait_cancel(&owner->view_wait)) {
        request_drop(request);
    } /* else the database's answer comes first */
}

/* Where no header can be set it stands behind the '?', on the paths that take it there. */
static struct str position_said(const struct request *request) {
    bool is_present = false;
    struct str header = http_request_field(request->exchange, "daybook-position"), text = {0};
    if (header.data == NULL && http_query_parameter(request->exchange, "position", &is_present, &text) && is_present) {
        return text;
    }
    return header;
}

void sku_owner_ask_of(struct request *request, struct str sku, void (*on_known)(struct request *request, bool is_his)) {
    struct gateway_loop *loop = request->loop;
    struct sku_owner *owner = arena_alloc(request_arena(request), sizeof *owner);
    struct problem problem;
    *owner =
        (struct sku_owner){.request = request,
                           .sku = sku,
                           .vendor = {.cache = &loop->facts, .pg = loop->pg, .on_vendor = on_vendor, .context = owner},
                           .on_known = on_known,
                           .on_lost = request->on_lost,
                           .waiting = request->waiting};
    if (!intake_position(position_said(request), &loop->gateway->secret, &owner->position, &problem)) {
        request_problem(request, &problem);
        return;
    }
    request->on_lost = on_lost;
    request->waiting = owner;
    int64_t until = request->exchange->received_at_boot_us + loop->gateway->config->view_wait_ms * MICROS_PER_MS;
    view_wait_begin(&loop->view_waits, &owner->view_wait, "products", &owner->position, until, on_catalogue, owner);
}

void sku_owner_ask(struct request *request, void (*on_known)(struct request *request, bool is_his)) {
    struct str sku;
    if (query_run_take_id(request, "sku", &sku, NULL)) {
        sku_owner_ask_of(request, sku, on_known);
    }
}
