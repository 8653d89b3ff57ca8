#include "core/gateway/customer_find.h"

#include "core/base/logger.h"
#include "core/base/timestamp.h"
#include "core/gateway/loop.h"

static void on_rows(void *context, const PGresult *rows, const struct err_info *error) {
    struct customer_finding *finding = context;
    struct request *request = finding->request;
    if (request->is_lost) {
        request_drop(request);
        return;
    }
    if (error != NULL) {
        request_query_failed(request, finding->statement->name, error);
        return;
    }
    finding->is_there = PQntuples(rows) > 0;
    if (finding->is_there && !customer_row_read(request_arena(request), rows, 0, &finding->customer)) {
        log_line(LOG_ERROR, "gateway", "a customer cannot be read: this front is older than its view",
                 LOG_CSTR("statement", finding->statement->name));
        finding->is_there = false;
        if (!finding->is_discreet) {
            request_no_database(request);
            return;
        }
    }
    if (finding->is_there) {
        finding->customer.id = arena_str_copy(request_arena(request), finding->customer.id);
    }
    finding->on_found(finding);
}

static void on_view(void *context, enum view_state state) {
    struct customer_finding *finding = context;
    struct gateway_loop *loop = finding->request->loop;
    if (state == VIEW_CAUGHT_UP) {
        loop->view_waits.ask(loop->query_pg, finding->statement, &finding->parameter, on_rows, finding);
    } else {
        request_view_is_not_there(finding->request, state);
    }
}

/* The statement, its parameter and whether it is discreet are set. */
static void find(struct customer_finding *finding, struct request *request, const struct position *position,
                 void (*on_found)(struct customer_finding *finding)) {
    struct gateway_loop *loop = request->loop;
    finding->request = request;
    finding->on_found = on_found;
    int64_t until = clock_boot_us() + loop->gateway->config->view_wait_ms * MICROS_PER_MS;
    view_wait_begin(&loop->view_waits, &finding->view_wait, "customers", position, until, on_view, finding);
}

void customer_find_by_id(struct customer_finding *finding, struct request *request, struct str customer,
                         const struct position *position, void (*on_found)(struct customer_finding *finding)) {
    *finding = (struct customer_finding){.statement = &customer_by_id, .parameter = customer};
    find(finding, request, position, on_found);
}

void customer_find_by_identity(struct customer_finding *finding, struct request *request, struct str identity,
                               const struct position *position, void (*on_found)(struct customer_finding *finding)) {
    *finding = (struct customer_finding){.statement = &customer_by_identity, .parameter = identity};
    find(finding, request, position, on_found);
}

void customer_find_discreetly(struct customer_finding *finding, struct request *request, struct str identity,
                              const struct position *position, void (*on_found)(struct customer_finding *finding)) {
    *finding =
        (struct customer_finding){.statement = &customer_by_identity, .parameter = identity, .is_discreet = true};
    find(finding, request, position, on_found);
}

bool customer_finding_cancel(struct customer_finding *finding) {
    return view_wait_cancel(&finding->view_wait);
}
