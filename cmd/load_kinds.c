#include "cmd/load_kinds.h"

#include <sodium.h>

#include "core/base/buf.h"
#include "core/base/text.h"

enum { KEY_HASH_BYTES = 16 };

static void hash_part(crypto_generichash_state *hash, struct str part) {
    uint32_t len = part.len; /* the length first, so that no two lists of parts look alike */
    crypto_generichash_update(hash, (const uint8_t *)&len, sizeof len);
    crypto_generichash_update(hash, (const uint8_t *)part.data, part.len);
}

struct str load_key(struct arena *arena, const struct load_options *options, struct str reference, const char *step) {
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, NULL, 0, KEY_HASH_BYTES);
    hash_part(&hash, str_of_cstr(options->salt));
    hash_part(&hash, str_of_cstr(load_kind_name(options->kind)));
    hash_part(&hash, reference);
    hash_part(&hash, str_of_cstr(step));
    uint8_t digest[KEY_HASH_BYTES];
    crypto_generichash_final(&hash, digest, sizeof digest);
    struct buf text;
    buf_init(&text, 64);
    buf_str(&text, STR("load-"));
    hex_write(&text, str_of((const char *)digest, sizeof digest));
    struct str key = arena_str_copy(arena, buf_text(&text));
    buf_release(&text);
    return key;
}

/* ---- helpers ------------------------------------------------------------------------------------------------- */

static struct str text_member(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return str_of_cstr(text == NULL ? "" : text);
}

/* Takes the reference of `json`. */
static struct str json_text(struct arena *arena, json_t *json) {
    char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(json);
    struct str copy = arena_str_copy(arena, str_of_cstr(text == NULL ? "" : text));
    free(text);
    return copy;
}

/* A new object with those of the named members that `from` has. */
static json_t *members_of(const json_t *from, const char *const *names) {
    json_t *object = json_object();
    for (; *names != NULL; names++) {
        json_t *value = json_object_get(from, *names);
        if (value != NULL) {
            json_object_set(object, *names, value);
        }
    }
    return object;
}

/* What names the line in its keys: its own reference, or its place in the file and all it says. */
static struct str reference_of(struct load_item *item) {
    struct str reference = text_member(item->line, "reference");
    return !str_is_empty(reference)
               ? reference
               : arena_printf(&item->arena, "%lld %.*s", (long long)item->line_number, STR_ARGS(item->text));
}

/* Ids and SKUs need no escapes; what else a line holds must not become another path. */
static bool is_path_segment(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        bool is_plain = (text.data[i] >= 'a' && text.data[i] <= 'z') || (text.data[i] >= 'A' && text.data[i] <= 'Z') ||
                        (text.data[i] >= '0' && text.data[i] <= '9') || memchr("._-~", text.data[i], 4) != NULL;
        if (!is_plain) {
            return false;
        }
    }
    return text.len > 0;
}

static bool is_refused(const struct load_item *item) {
    return item->status < 200 || item->status > 299;
}

struct str load_item_outcome(struct load_item *item) {
    if (is_refused(item)) {
        return str_is_empty(item->code) ? arena_printf(&item->arena, "refused:%d", item->status)
                                        : arena_printf(&item->arena, "refused:%.*s", STR_ARGS(item->code));
    }
    return str_is_empty(item->order_status) ? STR("done") : item->order_status;
}

static struct str learn(struct load_item *item, const json_t *body, const char *name) {
    return arena_str_copy(&item->arena, text_member(body, name));
}

/* ---- products ------------------------------------------------------------------------------------------------ */

static bool product_next(struct load_item *item, struct load_slot_state *slot, struct load_request *ret_request) {
    (void)slot;
    static const char *const MEMBERS[] = {"title",      "description", "vendor",   "categories", "tags",
                                          "attributes", "images",      "variants", NULL};
    const json_t *variant = json_array_get(json_object_get(item->line, "variants"), 0);
    struct str sku = text_member(variant, "sku");
    struct str reference = str_is_empty(sku) ? reference_of(item) : sku;
    if (item->step == 0) {
        *ret_request = (struct load_request){
            .step = "define",
            .method = "POST",
            .path = STR("/v1/products"),
            .key = load_key(&item->arena, item->options, reference, "product"),
            .body = json_text(&item->arena, members_of(item->line, MEMBERS)),
        };
        return json_is_object(item->line);
    }
    *ret_request = (struct load_request){
        .step = "publish",
        .method = "POST",
        .path = arena_printf(&item->arena, "/v1/products/%.*s/publish", STR_ARGS(item->id)),
        .key = load_key(&item->arena, item->options, reference, "publish"),
        .position = item->position,
    };
    return is_path_segment(item->id);
}

static enum load_verdict product_decided(struct load_item *item, struct load_slot_state *slot, json_t *body) {
    (void)slot;
    bool publishes = json_is_true(json_object_get(item->line, "publish"));
    if (item->step == 0 && !is_refused(item)) {
        item->id = learn(item, body, "id");
        return publishes ? LOAD_GOES_ON : LOAD_ITEM_DONE;
    }
    return LOAD_ITEM_DONE;
}

/* ---- stock --------------------------------------------------------------------------------------------------- */

static bool stock_next(struct load_item *item, struct load_slot_state *slot, struct load_request *ret_request) {
    (void)slot;
    static const char *const MEMBERS[] = {"location", "quantity", "reference", NULL};
    struct str sku = text_member(item->line, "sku");
    item->id = arena_str_copy(&item->arena, sku);
    *ret_request = (struct load_request){
        .step = "receipt",
        .method = "POST",
        .path = arena_printf(&item->arena, "/v1/stock/%.*s/receipts", STR_ARGS(sku)),
        .key = load_key(&item->arena, item->options, reference_of(item), "receipt"),
        .body = json_text(&item->arena, members_of(item->line, MEMBERS)),
    };
    return is_path_segment(sku);
}

static enum load_verdict stock_decided(struct load_item *item, struct load_slot_state *slot, json_t *body) {
    (void)item;
    (void)slot;
    (void)body;
    return LOAD_ITEM_DONE;
}

/* ---- baskets ------------------------------------------------------------------------------------------------- */

static const char *const CART_MEMBERS[] = {"currency", "lines", "reference", NULL};

/* A checkout refused as cart_changed took no effect: like a shopper who looks again, the basket checks out again, as a
 * new request. */
static const char *const CHECKOUT_KEYS[] = {"", "checkout", "checkout again", "checkout a third time"};

static bool cart_next(struct load_item *item, struct load_slot_state *slot, struct load_request *ret_request) {
    (void)slot;
    *ret_request = (struct load_request){
        .step = "cart",
        .method = "POST",
        .path = STR("/v1/carts"),
        .key = item->options->keyless_carts ? (struct str){0}
                                            : load_key(&item->arena, item->options, reference_of(item), "cart"),
        .body = json_text(&item->arena, members_of(item->line, CART_MEMBERS)),
        .answer_has_more = true,
    };
    return json_is_object(item->line);
}

static enum load_verdict cart_decided(struct load_item *item, struct load_slot_state *slot, json_t *body) {
    (void)slot;
    item->cart = learn(item, body, "id");
    item->token = learn(item, body, "token");
    return LOAD_ITEM_DONE;
}

/* The try-th checkout of item->cart, from 1 on. `basket` may say who pays how. */
static bool checkout_request(struct load_item *item, const json_t *basket, struct str reference, int try,
                             struct load_request *ret_request) {
    static const char *const CHECKOUT_MEMBERS[] = {"email", "payment", "expected_total", NULL};
    json_t *checkout = members_of(basket, CHECKOUT_MEMBERS);
    if (json_object_get(checkout, "payment") == NULL) {
        json_object_set_new(
            checkout, "payment",
            json_pack("{s:s, s:s}", "provider", item->options->provider, "method", item->options->method));
    }
    *ret_request = (struct load_request){
        .step = "checkout",
        .method = "POST",
        .path = arena_printf(&item->arena, "/v1/carts/%.*s/checkout", STR_ARGS(item->cart)),
        .key = load_key(&item->arena, item->options, reference, CHECKOUT_KEYS[try]),
        .token = item->token,
        .position = item->position,
        .body = json_text(&item->arena, checkout),
    };
    return is_path_segment(item->cart);
}

static enum load_verdict checkout_answered(struct load_item *item, const json_t *body, int try) {
    bool may_again = (size_t)try + 1 < ARRAY_LENGTH(CHECKOUT_KEYS);
    if (is_refused(item) && may_again && str_equal(item->code, STR("cart_changed"))) {
        return LOAD_GOES_ON;
    }
    /* A problem about an order that exists names it (402 payment_declined). */
    item->id = learn(item, body, is_refused(item) ? "order" : "id");
    item->order_status = learn(item, body, "status");
    item->total = json_incref(json_object_get(body, "total"));
    item->skus = json_incref(json_object_get(body, "skus"));
    return LOAD_ITEM_DONE;
}

static bool basket_next(struct load_item *item, struct load_slot_state *slot, struct load_request *ret_request) {
    return item->step == 0 ? cart_next(item, slot, ret_request)
                           : checkout_request(item, item->line, reference_of(item), item->step, ret_request);
}

static enum load_verdict basket_decided(struct load_item *item, struct load_slot_state *slot, json_t *body) {
    if (item->step == 0) {
        (void)cart_decided(item, slot, body);
        return is_refused(item) ? LOAD_ITEM_DONE : LOAD_GOES_ON;
    }
    return checkout_answered(item, body, item->step);
}

/* The line is an entry of the journal that `carts` wrote, or says the same. */
static bool checkout_next(struct load_item *item, struct load_slot_state *slot, struct load_request *ret_request) {
    (void)slot;
    item->cart = arena_str_copy(&item->arena, text_member(item->line, "cart"));
    item->token = arena_str_copy(&item->arena, text_member(item->line, "token"));
    return checkout_request(item, json_object_get(item->line, "sent"), item->cart, item->step + 1, ret_request);
}

static enum load_verdict checkout_decided(struct load_item *item, struct load_slot_state *slot, json_t *body) {
    (void)slot;
    return checkout_answered(item, body, item->step + 1);
}

/* ---- cart updates -------------------------------------------------------------------------------------------- */

static bool update_needs_line(const struct load_slot_state *slot) {
    return slot->cart[0] == '\0';
}

static bool update_next(struct load_item *item, struct load_slot_state *slot, struct load_request *ret_request) {
    if (slot->cart[0] == '\0') {
        *ret_request = (struct load_request){
            .step = "cart",
            .method = "POST",
            .path = STR("/v1/carts"),
            .body = json_text(&item->arena, members_of(item->line, CART_MEMBERS)),
        };
        return json_is_object(item->line);
    }
    const json_t *lines = json_object_get(slot->line, "lines");
    size_t count = json_array_size(lines);
    if (count == 0) {
        return false;
    }
    struct str sku = text_member(json_array_get(lines, (size_t)slot->updates % count), "sku");
    /* Another quantity each time a line's turn comes, so that every update changes something. */
    int64_t quantity = slot->updates / (int64_t)count % 9 + 1;
    slot->updates++;
    *ret_request = (struct load_request){
        .step = "update",
        .method = "PUT",
        .path = arena_printf(&item->arena, "/v1/carts/%s/lines/%.*s", slot->cart, STR_ARGS(sku)),
        .token = arena_str_copy(&item->arena, str_of_cstr(slot->token)),
        .body = arena_printf(&item->arena, "{\"quantity\":%lld}", (long long)quantity),
    };
    return is_path_segment(sku);
}

static enum load_verdict update_decided(struct load_item *item, struct load_slot_state *slot, json_t *body) {
    if (slot->cart[0] != '\0') {
        if (is_refused(item)) {
            slot->cart[0] = '\0'; /* the next item opens another cart */
        }
        return LOAD_ITEM_DONE;
    }
    struct str cart = text_member(body, "id"), token = text_member(body, "token");
    if (is_refused(item) || !is_path_segment(cart) || cart.len >= sizeof slot->cart ||
        token.len >= sizeof slot->token) {
        return LOAD_ITEM_DONE;
    }
    memcpy(slot->cart, cart.data, cart.len);
    slot->cart[cart.len] = '\0';
    memcpy(slot->token, token.data, token.len);
    slot->token[token.len] = '\0';
    json_decref(slot->line);
    slot->line = json_incref(item->line);
    return LOAD_GOES_ON;
}

/* ---- reads --------------------------------------------------------------------------------------------------- */

/* A path as it is; an id by its prefix; an object by what it calls order, id or path. */
static struct str path_of(struct arena *arena, struct str name) {
    static const struct {
        struct str prefix;
        const char *path;
    } KINDS[] = {{STR("ord_"), "/v1/orders/"},
                 {STR("prod_"), "/v1/products/"},
                 {STR("cart_"), "/v1/carts/"},
                 {STR("pay_"), "/v1/payments/"}};
    if (str_starts_with(name, STR("/"))) {
        return arena_str_copy(arena, name);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(KINDS); i++) {
        if (str_starts_with(name, KINDS[i].prefix) && is_path_segment(name)) {
            return arena_printf(arena, "%s%.*s", KINDS[i].path, STR_ARGS(name));
        }
    }
    return (struct str){0};
}

static bool read_next(struct load_item *item, struct load_slot_state *slot, struct load_request *ret_request) {
    (void)slot;
    static const char *const NAMES[] = {"path", "order", "id"};
    struct str name = item->text;
    for (size_t i = 0; json_is_object(item->line) && i < ARRAY_LENGTH(NAMES); i++) {
        name = text_member(item->line, NAMES[i]);
        if (!str_is_empty(name)) {
            break;
        }
    }
    item->token = arena_str_copy(&item->arena, text_member(item->line, "token"));
    *ret_request = (struct load_request){
        .step = "get", .method = "GET", .path = path_of(&item->arena, name), .token = item->token};
    return !str_is_empty(ret_request->path);
}

static enum load_verdict read_decided(struct load_item *item, struct load_slot_state *slot, json_t *body) {
    (void)item;
    (void)slot;
    (void)body;
    return LOAD_ITEM_DONE;
}

static const struct load_kind_rules RULES[] = {
    [LOAD_PRODUCTS] = {.item_name = "product", .reads_answers = true, .next = product_next, .decided = product_decided},
    [LOAD_STOCK] = {.item_name = "receipt line", .next = stock_next, .decided = stock_decided},
    [LOAD_BASKETS] = {.item_name = "basket", .reads_answers = true, .next = basket_next, .decided = basket_decided},
    [LOAD_CARTS] = {.item_name = "cart", .reads_answers = true, .next = cart_next, .decided = cart_decided},
    [LOAD_CHECKOUTS] = {.item_name = "checkout",
                        .reads_answers = true,
                        .takes_entries = true,
                        .next = checkout_next,
                        .decided = checkout_decided},
    [LOAD_CART_UPDATES] = {.item_name = "cart update",
                           .goes_round = true,
                           .reads_answers = true,
                           .needs_line = update_needs_line,
                           .next = update_next,
                           .decided = update_decided},
    [LOAD_READS] =
        {.item_name = "read", .goes_round = true, .takes_entries = true, .next = read_next, .decided = read_decided},
};

const struct load_kind_rules *load_kind_rules(enum load_kind kind) {
    return &RULES[kind];
}
