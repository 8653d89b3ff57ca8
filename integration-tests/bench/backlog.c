/* backlog.c: commands that wait: carts are opened and their lines set, with ids as the front gives them without
 * Idempotency-Keys, while no handler is there to decide.
 *
 *   backlog BROKERS PREFIX SHARDS CARTS UPDATES
 */
#include <sodium.h>

#include "core/base/shard.h"
#include "core/base/timestamp.h"
#include "core/gateway/identity.h"
#include "core/log/record.h"
#include "core/log/topics.h"
#include "integration-tests/bench/bench.h"

enum { LINGER_MS = 5, WAIT_MS = 60000, COUNT_MAX = 10000000, LINES = 2, ARENA_BYTES = 1024 * 1024 };

struct backlog {
    struct log_producer *producer;
    struct log_topics topics;
    uint32_t shards;
    struct arena arena; /* of one command */
    struct buf record;
};

static struct str id_near(struct arena *arena, const char *prefix, struct str near) {
    uint8_t bytes[ULID_BYTES];
    char text[ULID_TEXT_LEN];
    randombytes_buf(bytes, sizeof bytes);
    id_lead(near, bytes);
    ulid_write(bytes, text);
    return arena_join(arena, str_of_cstr(prefix), str_of(text, sizeof text));
}

static void send_command(struct backlog *backlog, struct str cart, struct command *command) {
    struct command_meta *meta = &command->meta;
    meta->command_id = id_near(&backlog->arena, "cmd_", cart);
    meta->stream = cart;
    meta->correlation_id = meta->causation_id = meta->command_id;
    meta->actor = STR("anonymous");
    meta->issued_at = clock_wall_us();
    meta->request_hash = STR("0123456789abcdef0123456789abcdef");
    meta->reply_partition = -1;
    buf_clear(&backlog->record);
    command_record_write(&backlog->record, command);
    send_one(backlog->producer, backlog->topics.names[TOPIC_COMMANDS], shard_of_stream(cart, backlog->shards),
             shard_key(cart), buf_text(&backlog->record));
    arena_reset(&backlog->arena);
}

/* What the catalogue says of the n-th SKU. */
static struct price_fact fact_of(struct arena *arena, int64_t n) {
    return (struct price_fact){.sku = arena_printf(arena, "BENCH-%lld", (long long)n),
                               .product = STR("prod_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                               .title = STR("Thing"),
                               .price = {.amount = 100 + n, .currency = STR("EUR")}};
}

static void open_cart(struct backlog *backlog, struct str cart) {
    struct price_fact facts[LINES];
    struct line_request lines[LINES];
    for (int64_t i = 0; i < LINES; i++) {
        facts[i] = fact_of(&backlog->arena, i);
        lines[i] = (struct line_request){.sku = facts[i].sku, .quantity = 1};
    }
    struct command command = {.type = COMMAND_OPEN_CART,
                              .as.open_cart = {.currency = STR("EUR"),
                                               .lines = {.items = lines, .count = LINES},
                                               .price_facts = {.items = facts, .count = LINES}}};
    send_command(backlog, cart, &command);
}

static void set_line(struct backlog *backlog, struct str cart, int64_t number) {
    struct price_fact fact = fact_of(&backlog->arena, number % LINES);
    struct command command = {.type = COMMAND_SET_CART_LINE,
                              .as.set_cart_line = {.sku = fact.sku,
                                                   .quantity = number / LINES % 9 + 2,
                                                   .price_facts = {.items = &fact, .count = 1}}};
    send_command(backlog, cart, &command);
}

int main(int argc, char **argv) {
    int64_t shards, carts, updates;
    if (argc != 6 || !number_read(argv[3], 1024, &shards) || !number_read(argv[4], COUNT_MAX, &carts) ||
        !number_read(argv[5], COUNT_MAX, &updates)) {
        fputs("usage: backlog BROKERS PREFIX SHARDS CARTS UPDATES\n", stderr);
        return 2;
    }
    struct err_info info;
    struct backlog backlog = {.shards = (uint32_t)shards};
    const struct log_producer_options options = {
        .brokers = argv[1], .client_id = "backlog", .linger_ms = LINGER_MS, .delivery_timeout_ms = WAIT_MS};
    log_topics_name(&backlog.topics, argv[2]);
    arena_init(&backlog.arena, ARENA_BYTES);
    buf_init(&backlog.record, RECORD_MAX_BYTES);
    if (sodium_init() < 0 || log_producer_open(&options, &backlog.producer, &info) != ERR_NONE) {
        die("opening a producer", &info);
    }
    struct arena ids;
    arena_init(&ids, (size_t)carts * 256);
    struct str *names = arena_alloc(&ids, (size_t)carts * sizeof *names);
    for (int64_t i = 0; i < carts; i++) {
        names[i] = id_near(&ids, "cart_", identity_fresh(&ids, STR(""), clock_wall_us()));
        open_cart(&backlog, names[i]);
    }
    for (int64_t i = 0; i < updates; i++) {
        set_line(&backlog, names[i % carts], i / carts);
    }
    log_producer_close(backlog.producer, WAIT_MS);
    arena_release(&ids);
    arena_release(&backlog.arena);
    buf_release(&backlog.record);
    return EXIT_SUCCESS;
}
