#include "core/gateway/sku_owner.h"

#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"

struct sku_owner {
    struct request *request;
    struct vendor_request vendor;
    void (*on_known)(struct request *request, bool is_his);
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
        owner->on_known(request, !str_is_empty(his) && str_equal(his, vendor));
    }
}

static void on_lost(struct request *request) {
    (void)request; /* the database's answer comes first */
}

void sku_owner_ask(struct request *request, void (*on_known)(struct request *request, bool is_his)) {
    struct str sku;
    if (!query_run_take_id(request, "sku", &sku, NULL)) {
        return;
    }
    struct sku_owner *owner = arena_alloc(request_arena(request), sizeof *owner);
    *owner = (struct sku_owner){
        .request = request,
        .vendor = {.cache = &request->loop->facts, .pg = request->loop->pg, .on_vendor = on_vendor, .context = owner},
        .on_known = on_known};
    request->on_lost = on_lost;
    request->waiting = owner;
    facts_vendor_of_sku(&owner->vendor, sku);
}
