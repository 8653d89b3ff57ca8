#include "core/gateway/answers.h"

#include "core/base/json_write.h"
#include "core/domain/rejection.h"
#include "core/gateway/access.h"
#include "core/gateway/identity.h"
#include "core/gateway/position.h"
#include "core/log/record.h"
#include "gen/codec.h"
#include "projections/carts/document.h"
#include "projections/categories/document.h"
#include "projections/customers/document.h"
#include "projections/keys/document.h"
#include "projections/orders/document.h"
#include "projections/payments/document.h"
#include "projections/products/document.h"
#include "projections/stock/document.h"

enum { DOCUMENT_MAX_BYTES = 4 * 1024 * 1024, MEMBERS_MAX_BYTES = 128 * 1024 };

/* One row a kind of stream: how its stored state becomes its document, and where that is found. */
struct resource {
    const char *prefix;
    const char *folder; /* of its address; NULL: the stream has none, its parts do */
    bool keeps_prefix;  /* whether the id in the address is the whole stream id */
    bool is_owner;      /* it is a person, whose own it is */
    bool (*write)(struct arena *arena, struct buf *out, const struct outcome *outcome, uint32_t schema_id,
                  struct str avro);
    struct str (*owner)(struct arena *arena, uint32_t schema_id, struct str avro); /* NULL: nobody's */
};

#define RESOURCE_WRITER(state_name, document)                                                                          \
    static bool write_##state_name(struct arena *arena, struct buf *out, const struct outcome *outcome,                \
                                   uint32_t schema_id, struct str avro) {                                              \
        struct state_name state;                                                                                       \
        const char *why;                                                                                               \
        if (!state_name##_decode_as(arena, schema_id, avro, &state, &why)) {                                           \
            return false;                                                                                              \
        }                                                                                                              \
        document(out, outcome->stream, outcome->version, &state);                                                      \
        return true;                                                                                                   \
    }
RESOURCE_WRITER(product_state, product_document)
RESOURCE_WRITER(sku_state, stock_document)
RESOURCE_WRITER(cart_state, cart_document)
RESOURCE_WRITER(order_state, order_document)
RESOURCE_WRITER(payment_state, payment_document)
RESOURCE_WRITER(api_key_state, api_key_document)
RESOURCE_WRITER(category_state, category_document)
/* Nothing of it is opened here: what is personal is left out. */
RESOURCE_WRITER(customer_state, customer_document)
#undef RESOURCE_WRITER

#define RESOURCE_OWNER(state_name, ...)                                                                                \
    static struct str owner_of_##state_name(struct arena *arena, uint32_t schema_id, struct str avro) {                \
        struct state_name state;                                                                                       \
        const char *why;                                                                                               \
        return state_name##_decode_as(arena, schema_id, avro, &state, &why) ? (__VA_ARGS__) : (struct str){0};         \
    }
RESOURCE_OWNER(cart_state, state.has_customer ? state.customer : OWNER_GUEST)
RESOURCE_OWNER(order_state, state.has_customer ? state.customer : OWNER_GUEST)
RESOURCE_OWNER(product_state, arena_printf(arena, OWNER_VENDOR "%.*s", STR_ARGS(state.details.vendor)))
#undef RESOURCE_OWNER

static const struct resource resources[] = {
    {"prod_", "/v1/products/", true, false, write_product_state, owner_of_product_state},
    {"sku_", "/v1/stock/", false, false, write_sku_state, NULL},
    {"cart_", "/v1/carts/", true, false, write_cart_state, owner_of_cart_state},
    {"ord_", "/v1/orders/", true, false, write_order_state, owner_of_order_state},
    {"pay_", "/v1/payments/", true, false, write_payment_state, NULL},
    {"cus_", "/v1/customers/", true, true, write_customer_state, NULL},
    {"key_", "/v1/api-keys/", true, false, write_api_key_state, NULL},
    {"cat_", NULL, false, false, write_category_state, NULL},
};

static const struct resource *resource_of(struct str stream) {
    for (size_t i = 0; i < ARRAY_LENGTH(resources); i++) {
        if (str_starts_with(stream, str_of_cstr(resources[i].prefix))) {
            return &resources[i];
        }
    }
    return NULL;
}

struct str answer_location(struct arena *arena, struct str stream) {
    const struct resource *resource = resource_of(stream);
    if (resource == NULL || resource->folder == NULL) {
        return (struct str){0};
    }
    struct str id = resource->keeps_prefix ? stream : str_from(stream, (uint32_t)strlen(resource->prefix));
    return arena_printf(arena, "%s%.*s", resource->folder, STR_ARGS(id));
}

bool answer_document(struct arena *arena, struct buf *out, const struct outcome *outcome) {
    const struct resource *resource = resource_of(outcome->stream);
    uint32_t schema_id;
    struct str avro;
    return resource != NULL && frame_read(outcome->resource, &schema_id, &avro) &&
           resource->write(arena, out, outcome, schema_id, avro);
}

struct str answer_owner(struct arena *arena, const struct outcome *outcome) {
    const struct resource *resource = resource_of(outcome->stream);
    uint32_t schema_id;
    struct str avro;
    if (resource != NULL && resource->is_owner) { /* a refusal of his as well: the stream says whose it is */
        return arena_str_copy(arena, outcome->stream);
    }
    return resource != NULL && resource->owner != NULL && frame_read(outcome->resource, &schema_id, &avro)
               ? resource->owner(arena, schema_id, avro)
               : (struct str){0};
}

/* "skus":["A","B"],"order":"ord_..." : what a client needs to go on. */
static struct str write_members(struct arena *arena, const struct outcome *outcome, enum rejection rejection) {
    struct buf text;
    buf_init(&text, MEMBERS_MAX_BYTES);
    if (outcome->skus.count > 0) {
        struct json_writer writer = json_writer_of(&text);
        buf_str(&text, STR("\"skus\":"));
        json_array_begin(&writer);
        for (uint32_t i = 0; i < outcome->skus.count; i++) {
            json_text(&writer, outcome->skus.items[i]);
        }
        json_array_end(&writer);
    }
    bool is_order = str_starts_with(outcome->stream, STR("ord_"));
    if (is_order && (rejection == REJECT_PAYMENT_DECLINED || rejection == REJECT_OUT_OF_STOCK)) {
        struct json_writer writer = json_writer_of(&text);
        buf_str(&text, text.len > 0 ? STR(",\"order\":") : STR("\"order\":"));
        json_text(&writer, outcome->stream);
    }
    struct str copy = {0};
    if (!buf_ok(&text) || !arena_str_try(arena, buf_text(&text), &copy)) {
        copy = (struct str){0};
    }
    buf_release(&text);
    return copy;
}

/* A handler newer than this front may know refusals that it does not: their code is passed on. */
static void answer_refusal(struct arena *arena, const struct outcome *outcome, struct outcome_answer *answer) {
    enum rejection rejection;
    bool is_known = rejection_by_code(outcome->rejection, &rejection) && rejection != ACCEPTED;
    const struct rejection_info *info = is_known ? rejection_info(rejection) : NULL;
    answer->is_problem = true;
    answer->status = is_known ? info->http_status : 409;
    answer->problem =
        (struct problem){.status = answer->status,
                         .code = is_known ? info->code : arena_printf(arena, "%.*s", STR_ARGS(outcome->rejection)).data,
                         .detail = is_known ? info->text : "The request was refused.",
                         .pointer = outcome->pointer,
                         .trace_id = identity_trace(arena, outcome->command_id),
                         .members = is_known ? write_members(arena, outcome, rejection) : (struct str){0}};
}

/* A state that did not fit its record was left out of the outcome: then just what is known is said. */
static void answer_resource(struct arena *arena, const struct outcome *outcome, int accepted_status,
                            struct outcome_answer *answer) {
    struct buf document;
    buf_init(&document, DOCUMENT_MAX_BYTES);
    bool is_written = answer_document(arena, &document, outcome) && buf_ok(&document) &&
                      arena_str_try(arena, buf_text(&document), &answer->body);
    buf_release(&document);
    if (!is_written) {
        answer->body = arena_printf(arena, "{\"id\":\"%.*s\",\"version\":%lld}", STR_ARGS(outcome->stream),
                                    (long long)outcome->version);
    }
    answer->status = accepted_status;
    answer->etag = arena_printf(arena, "\"%lld\"", (long long)outcome->version);
    answer->location = answer_location(arena, outcome->stream);
}

struct outcome_answer answer_of_outcome(struct arena *arena, const struct outcome *outcome, int accepted_status) {
    struct outcome_answer answer = {.is_replayed = outcome->replayed, .position = outcome->position};
    if (outcome->status == OUTCOME_STATUS_REJECTED) {
        answer_refusal(arena, outcome, &answer);
    } else {
        answer_resource(arena, outcome, accepted_status, &answer);
    }
    return answer;
}
