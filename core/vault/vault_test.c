#include "core/vault/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct arena arena;
static const struct secret secret = {{1}};
static char folder[] = "/tmp/daybook-vault-test-XXXXXX";

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return rmdir(folder);
}

static void what_is_sealed_is_read_with_its_own_key_only(void **state) {
    (void)state;
    const struct vault_key key = {.id = STR("per_A"), .bytes = {1}}, other = {.id = STR("per_A"), .bytes = {2}};
    const struct vault_key renamed = {.id = STR("per_B"), .bytes = {1}};
    struct sealed sealed = {.plaintext = STR("a@example.com")};
    vault_seal(&key, &arena, &sealed);
    struct str plaintext;
    assert_true(vault_unseal(&key, &arena, &sealed, &plaintext));
    assert_true(str_equal(plaintext, STR("a@example.com")));
    assert_false(vault_unseal(&other, &arena, &sealed, &plaintext));
    assert_false(vault_unseal(&renamed, &arena, &sealed, &plaintext));
}

static void a_ciphertext_cannot_be_changed_cut_or_moved_to_another_person(void **state) {
    (void)state;
    const struct vault_key key = {.id = STR("per_A"), .bytes = {1}};
    const struct vault_key same_bytes = {.id = STR("per_B"), .bytes = {1}};
    struct sealed sealed = {.plaintext = STR("a@example.com")};
    vault_seal(&key, &arena, &sealed);
    struct str plaintext;
    for (uint32_t i = 0; i < sealed.ciphertext.len; i++) {
        char *changed = arena_alloc(&arena, sealed.ciphertext.len);
        memcpy(changed, sealed.ciphertext.data, sealed.ciphertext.len);
        changed[i] ^= 1;
        struct sealed forged = sealed;
        forged.ciphertext = str_of(changed, sealed.ciphertext.len);
        assert_false(vault_unseal(&key, &arena, &forged, &plaintext));
        forged.ciphertext = str_first(sealed.ciphertext, i);
        assert_false(vault_unseal(&key, &arena, &forged, &plaintext));
    }
    struct sealed moved = sealed;
    moved.key_id = STR("per_B");
    assert_false(vault_unseal(&same_bytes, &arena, &moved, &plaintext));
}

static void the_same_text_is_never_sealed_to_the_same_bytes(void **state) {
    (void)state;
    const struct vault_key key = {.id = STR("per_A"), .bytes = {1}};
    struct sealed a = {.plaintext = STR("a@example.com")}, b = a;
    vault_seal(&key, &arena, &a);
    vault_seal(&key, &arena, &b);
    assert_false(str_equal(a.ciphertext, b.ciphertext));
}

static void a_person_is_known_by_the_address_however_it_is_spelled(void **state) {
    (void)state;
    struct str id = vault_key_id_of_email(&arena, &secret, STR("a@example.com"));
    assert_true(str_equal(id, vault_key_id_of_email(&arena, &secret, STR("A@Example.COM"))));
    assert_false(str_equal(id, vault_key_id_of_email(&arena, &secret, STR("b@example.com"))));
    const struct secret other = {{2}};
    assert_false(str_equal(id, vault_key_id_of_email(&arena, &other, STR("a@example.com"))));
    /* As it has always been: keys are found by it. */
    assert_true(str_equal(id, STR("per_2SR4D9X6VKX3VPBJNZ8CAM5NRV")));
}

static void a_customer_s_key_is_not_that_of_an_address(void **state) {
    (void)state;
    struct str customer = STR("cus_01000000000000000000000000");
    struct str id = vault_key_id_of_customer(&arena, &secret, customer);
    assert_true(str_equal(id, vault_key_id_of_customer(&arena, &secret, customer)));
    assert_false(str_equal(id, vault_key_id_of_customer(&arena, &secret, STR("cus_01000000000000000000000001"))));
    assert_false(str_equal(id, vault_key_id_of_email(&arena, &secret, customer)));
}

static void a_secret_is_made_once_and_for_its_owner_alone(void **state) {
    (void)state;
    struct str path = arena_printf(&arena, "%s/below/secret", folder);
    struct secret first, again;
    struct err_info info;
    assert_int_equal(secret_load(path.data, &first, &info), ERR_NONE);
    assert_int_equal(secret_load(path.data, &again, &info), ERR_NONE);
    assert_memory_equal(first.bytes, again.bytes, SECRET_BYTES);
    struct stat found;
    assert_int_equal(stat(path.data, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(unlink(path.data), 0);
    assert_int_equal(rmdir(arena_printf(&arena, "%s/below", folder).data), 0);
}

static void a_secret_of_another_length_is_refused(void **state) {
    (void)state;
    struct str path = arena_printf(&arena, "%s/secret", folder);
    for (size_t size = 31; size <= 33; size += 2) {
        FILE *file = fopen(path.data, "w");
        assert_non_null(file);
        assert_int_equal(fprintf(file, "%0*d", (int)size, 0), (int)size);
        assert_int_equal(fclose(file), 0);
        struct secret loaded;
        struct err_info info;
        assert_int_equal(secret_load(path.data, &loaded, &info), ERR_MALFORMED);
    }
    assert_int_equal(unlink(path.data), 0);
}

/* ---- the loop's side, over a table in memory ----------------------------------------------------------------------
 * It does what the statements say; upkeep_test.c has the statements themselves said to PostgreSQL. */

#define RING_A "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define RING_B "b AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
#define ID(n) STR("per_0000000000000000000000000" #n)

enum { ROWS_MAX = 8, TEXT_MAX = 9000 };

struct row {
    char id[64], hex[2 * MASTER_WRAPPED_BYTES + 1], master[MASTER_ID_MAX + 1];
    bool is_erased, is_anew; /* is_anew: another was destroyed before it */
};

/* A query that is on its way. */
struct asked {
    const char *name;
    char texts[3][TEXT_MAX];
    pg_result_cb *on_result;
    void *context;
};

static struct row rows[ROWS_MAX];
static size_t row_count;
static struct asked asked[4]; /* not answered yet, when they are held */
static size_t asked_count, queries;
static bool is_down, holds;
static char newest_text[TEXT_MAX]; /* the last parameter that was sent */
static int64_t now_us;

static int64_t now_boot_us(void) {
    return now_us;
}

static struct row *row_of(const char *id) {
    for (size_t i = 0; i < row_count; i++) {
        if (strcmp(rows[i].id, id) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

static struct row *row_add(const char *id, const char *hex, const char *master) {
    assert_true(row_count < ROWS_MAX);
    struct row *row = &rows[row_count++];
    *row = (struct row){0};
    (void)snprintf(row->id, sizeof row->id, "%.*s", (int)sizeof row->id - 1, id);
    (void)snprintf(row->hex, sizeof row->hex, "%.*s", (int)sizeof row->hex - 1, hex);
    (void)snprintf(row->master, sizeof row->master, "%.*s", MASTER_ID_MAX, master);
    return row;
}

static void put_row(PGresult *result, const struct row *row) {
    int at = PQntuples(result);
    const char *const values[] = {row->id, row->hex, row->master};
    for (int column = 0; column < 3; column++) {
        PQsetvalue(result, at, column, (char *)values[column], (int)strlen(values[column]));
    }
}

static void add(const struct asked *query, bool anew) {
    struct row *row = row_of(query->texts[0]);
    if (row == NULL) {
        row_add(query->texts[0], query->texts[1], query->texts[2]);
    } else if (anew && row->is_erased) {
        row->is_erased = false;
        row->is_anew = true;
        (void)snprintf(row->hex, sizeof row->hex, "%.*s", (int)sizeof row->hex - 1, query->texts[1]);
        (void)snprintf(row->master, sizeof row->master, "%.*s", MASTER_ID_MAX, query->texts[2]);
    }
}

static void answer(const struct asked *query) {
    if (is_down) {
        const struct err_info error = {.code = ERR_POSTGRES, .retriable = true};
        query->on_result(query->context, NULL, &error);
        return;
    }
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[3] = {{.name = (char *)"id"}, {.name = (char *)"bytes"}, {.name = (char *)"master"}};
    assert_true(PQsetResultAttrs(result, 3, columns));
    if (strcmp(query->name, "vault_key_add") == 0 || strcmp(query->name, "vault_key_add_anew") == 0) {
        add(query, strcmp(query->name, "vault_key_add_anew") == 0);
    } else if (strcmp(query->name, "vault_key_end") == 0) {
        const struct row *row = row_of(query->texts[0]);
        if (row != NULL && (row->is_erased || row->is_anew)) {
            put_row(result, row);
        }
    } else {
        bool is_list = strcmp(query->name, "vault_keys_find") == 0;
        assert_true(is_list || strcmp(query->name, "vault_key_find") == 0);
        for (size_t i = row_count; i-- > 0;) { /* in no order */
            bool is_meant =
                is_list ? strstr(query->texts[0], rows[i].id) != NULL : strcmp(query->texts[0], rows[i].id) == 0;
            if (is_meant && !rows[i].is_erased) {
                put_row(result, &rows[i]);
            }
        }
    }
    query->on_result(query->context, result, NULL);
    PQclear(result);
}

static void take_query(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                       pg_result_cb *on_result, void *context) {
    (void)pg;
    queries++;
    struct asked query = {.name = statement->name, .on_result = on_result, .context = context};
    for (int i = 0; i < statement->parameter_count; i++) {
        (void)snprintf(query.texts[i], sizeof query.texts[i], "%.*s", STR_ARGS(parameters[i]));
        memcpy(newest_text, query.texts[i], sizeof newest_text);
    }
    if (holds) {
        assert_true(asked_count < sizeof asked / sizeof *asked);
        asked[asked_count++] = query;
    } else {
        answer(&query);
    }
}

/* Those that are held now, not those that follow from them. */
static void answer_held(void) {
    struct asked now[sizeof asked / sizeof *asked];
    size_t count = asked_count;
    memcpy(now, asked, sizeof now);
    asked_count = 0;
    for (size_t i = 0; i < count; i++) {
        answer(&now[i]);
    }
}

static const struct vault_ports ports = {.query = take_query, .now_boot_us = now_boot_us};
static struct master_ring *ring_a, *ring_b, *ring_both;

static struct master_ring *ring_of(const char *text) {
    struct master_ring *ring = NULL;
    struct err_info info;
    assert_int_equal(master_load("/nonexistent", text, &ring, &info), ERR_NONE);
    return ring;
}

static int table_set_up(void **state) {
    row_count = asked_count = queries = 0;
    is_down = holds = false;
    now_us = 1000;
    ring_a = ring_of(RING_A);
    ring_b = ring_of(RING_B);
    ring_both = ring_of(RING_B "," RING_A);
    *state = vault_open_by(&ports, NULL, ring_a);
    return 0;
}

static int table_tear_down(void **state) {
    vault_close(*state);
    master_free(ring_a);
    master_free(ring_b);
    master_free(ring_both);
    return 0;
}

struct told {
    size_t times;
    enum vault_found found;
    struct vault_key key; /* its id is empty when none was told */
    char id[64];
};

static void on_key(void *context, enum vault_found found, const struct vault_key *key) {
    struct told *told = context;
    told->times++;
    told->found = found;
    assert_true((key != NULL) == (found == VAULT_THERE));
    if (key != NULL) {
        told->key = *key;
        (void)snprintf(told->id, sizeof told->id, "%.*s", STR_ARGS(key->id));
    }
}

static struct told key_of(struct vault *vault, struct str id, enum vault_wish wish) {
    struct told told = {0};
    vault_key_of(vault, id, wish, on_key, &told);
    assert_int_equal(told.times, 1);
    return told;
}

static void a_key_is_made_when_it_is_wished_and_stands_there_wrapped(void **state) {
    struct vault *vault = *state;
    assert_int_equal(key_of(vault, ID(1), VAULT_FIND).found, VAULT_NONE);
    assert_int_equal(row_count, 0);
    struct told made = key_of(vault, ID(1), VAULT_MAKE);
    assert_int_equal(made.found, VAULT_THERE);
    assert_string_equal(made.id, ID(1).data);
    assert_int_equal(row_count, 1);
    assert_string_equal(rows[0].master, "a");
    assert_int_equal(strlen(rows[0].hex), 2 * MASTER_WRAPPED_BYTES);
    char hex[2 * VAULT_KEY_BYTES + 1];
    for (size_t i = 0; i < VAULT_KEY_BYTES; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", made.key.bytes[i]);
    }
    assert_null(strstr(rows[0].hex, hex)); /* not itself */
    struct vault *other = vault_open_by(&ports, NULL, ring_both);
    struct told found = key_of(other, ID(1), VAULT_FIND);
    assert_int_equal(found.found, VAULT_THERE);
    assert_memory_equal(found.key.bytes, made.key.bytes, VAULT_KEY_BYTES);
    vault_close(other);
}

static void a_remembered_key_needs_no_database_until_its_time_is_over(void **state) {
    struct vault *vault = *state;
    struct told made = key_of(vault, ID(1), VAULT_MAKE);
    size_t before = queries;
    is_down = true;
    now_us += (int64_t)VAULT_KEPT_S * 1000000 - 1;
    struct told again = key_of(vault, ID(1), VAULT_FIND);
    assert_int_equal(again.found, VAULT_THERE);
    assert_memory_equal(again.key.bytes, made.key.bytes, VAULT_KEY_BYTES);
    assert_int_equal(queries, before);
    now_us += 1;
    assert_int_equal(key_of(vault, ID(1), VAULT_FIND).found, VAULT_NO_DATABASE);
}

static void a_key_that_was_destroyed_is_gone_after_that_time(void **state) {
    struct vault *vault = *state;
    assert_int_equal(key_of(vault, ID(1), VAULT_MAKE).found, VAULT_THERE);
    rows[0] = (struct row){.is_erased = true};
    memcpy(rows[0].id, ID(1).data, ID(1).len + 1);
    assert_int_equal(key_of(vault, ID(1), VAULT_FIND).found, VAULT_THERE);
    now_us += (int64_t)VAULT_KEPT_S * 1000000;
    assert_int_equal(key_of(vault, ID(1), VAULT_FIND).found, VAULT_NONE);
    assert_int_equal(key_of(vault, ID(1), VAULT_MAKE).found, VAULT_NONE); /* never again */
    assert_true(rows[0].is_erased);
}

static void who_destroyed_it_himself_forgets_it_at_once(void **state) {
    struct vault *vault = *state;
    assert_int_equal(key_of(vault, ID(1), VAULT_MAKE).found, VAULT_THERE);
    rows[0].is_erased = true;
    vault_forget(vault, ID(2));
    vault_forget(vault, STR("nobody"));
    assert_int_equal(key_of(vault, ID(1), VAULT_FIND).found, VAULT_THERE);
    vault_forget(vault, ID(1));
    assert_int_equal(key_of(vault, ID(1), VAULT_FIND).found, VAULT_NONE);
}

static void an_address_has_a_new_key_after_the_old_one_was_destroyed(void **state) {
    struct vault *vault = *state;
    struct told old = key_of(vault, ID(1), VAULT_MAKE_ANEW);
    struct sealed sealed = {.plaintext = STR("a@example.com")};
    old.key.id = str_of_cstr(old.id); /* as it was lent */
    vault_seal(&old.key, &arena, &sealed);
    rows[0].is_erased = true;
    vault_forget(vault, ID(1));
    struct told new = key_of(vault, ID(1), VAULT_MAKE_ANEW);
    assert_int_equal(new.found, VAULT_THERE);
    assert_false(rows[0].is_erased);
    assert_memory_not_equal(new.key.bytes, old.key.bytes, VAULT_KEY_BYTES);
    new.key.id = str_of_cstr(new.id);
    struct str plaintext;
    assert_false(vault_unseal(&new.key, &arena, &sealed, &plaintext));
    /* And it stays as it is while it lives. */
    vault_forget(vault, ID(1));
    struct told again = key_of(vault, ID(1), VAULT_MAKE_ANEW);
    assert_memory_equal(new.key.bytes, again.key.bytes, VAULT_KEY_BYTES);
}

static void on_end(void *context, enum vault_end end) {
    *(enum vault_end *)context = end;
}

static enum vault_end end_of(struct vault *vault, struct str id) {
    enum vault_end end = (enum vault_end) - 1;
    vault_end_of(vault, id, on_end, &end);
    return end;
}

static void what_was_destroyed_is_told_from_what_was_never_there(void **state) {
    struct vault *vault = *state;
    assert_int_equal(end_of(vault, ID(1)), VAULT_NEVER_DESTROYED);
    assert_int_equal(key_of(vault, ID(1), VAULT_MAKE_ANEW).found, VAULT_THERE);
    assert_int_equal(end_of(vault, ID(1)), VAULT_NEVER_DESTROYED);
    rows[0].is_erased = true;
    assert_int_equal(end_of(vault, ID(1)), VAULT_DESTROYED);
    vault_forget(vault, ID(1));
    assert_int_equal(key_of(vault, ID(1), VAULT_MAKE_ANEW).found, VAULT_THERE);
    assert_int_equal(end_of(vault, ID(1)), VAULT_DESTROYED); /* the one before it */
    size_t before = queries;
    assert_int_equal(end_of(vault, STR("nobody")), VAULT_NEVER_DESTROYED);
    assert_int_equal(queries, before);
    is_down = true;
    assert_int_equal(end_of(vault, ID(1)), VAULT_END_UNKNOWN);
}

static void two_fronts_that_make_one_key_at_once_use_the_same(void **state) {
    struct vault *first = *state, *second = vault_open_by(&ports, NULL, ring_both);
    struct told told[2] = {{0}};
    holds = true;
    char id[64] = "per_00000000000000000000000001";
    vault_key_of(first, str_of_cstr(id), VAULT_MAKE, on_key, &told[0]);
    vault_key_of(second, str_of_cstr(id), VAULT_MAKE_ANEW, on_key, &told[1]);
    memset(id, 'x', sizeof id);   /* nobody keeps it */
    for (int i = 0; i < 3; i++) { /* both found nothing, both add, both look again */
        assert_int_equal(asked_count, 2);
        answer_held();
    }
    assert_int_equal(asked_count, 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(told[i].times, 1);
        assert_int_equal(told[i].found, VAULT_THERE);
    }
    assert_int_equal(row_count, 1);
    assert_memory_equal(told[0].key.bytes, told[1].key.bytes, VAULT_KEY_BYTES);
    vault_close(second);
}

static void a_database_that_goes_away_in_between_makes_no_key(void **state) {
    struct vault *vault = *state;
    struct told told = {0};
    holds = true;
    vault_key_of(vault, ID(1), VAULT_MAKE, on_key, &told);
    answer_held(); /* there is none */
    is_down = true;
    answer_held(); /* and none was added, as far as we know */
    assert_int_equal(told.times, 1);
    assert_int_equal(told.found, VAULT_NO_DATABASE);
    assert_int_equal(asked_count, 0);
}

static void a_key_in_the_clear_is_used_as_it_is(void **state) {
    struct vault *vault = *state;
    row_add(ID(1).data, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "");
    struct told found = key_of(vault, ID(1), VAULT_MAKE);
    assert_int_equal(found.found, VAULT_THERE);
    assert_int_equal(queries, 1); /* what is there is not made */
    for (size_t i = 0; i < VAULT_KEY_BYTES; i++) {
        assert_int_equal(found.key.bytes[i], i);
    }
}

static void a_key_that_cannot_be_opened_is_neither_none_nor_made(void **state) {
    struct vault *vault = *state;
    struct vault *newer = vault_open_by(&ports, NULL, ring_both);
    assert_int_equal(key_of(newer, ID(1), VAULT_MAKE).found, VAULT_THERE);
    assert_int_equal(key_of(newer, ID(2), VAULT_MAKE).found, VAULT_THERE);
    assert_string_equal(rows[0].master, "b");
    struct row before = rows[0];
    assert_int_equal(key_of(vault, ID(1), VAULT_FIND).found, VAULT_NO_MASTER);
    assert_int_equal(key_of(vault, ID(1), VAULT_MAKE_ANEW).found, VAULT_NO_MASTER);
    assert_int_equal(vault_unopened(vault), 2);
    assert_memory_equal(&rows[0], &before, sizeof before);
    /* The row of one person in the place of another's. */
    memcpy(rows[0].hex, rows[1].hex, sizeof rows[0].hex);
    vault_forget(newer, ID(1));
    assert_int_equal(key_of(newer, ID(1), VAULT_FIND).found, VAULT_NO_MASTER);
    vault_close(newer);
}

static void an_id_that_is_none_of_ours_is_never_there(void **state) {
    struct vault *vault = *state;
    static const char *const ids[] = {"",
                                      "per_",
                                      "per_0000000000000000000000000",
                                      "per_0000000000000000000000000I",
                                      "cus_00000000000000000000000001",
                                      "per_00000000000000000000000001x",
                                      "per_0000000000000000000,00,0001"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        assert_int_equal(key_of(vault, str_of_cstr(ids[i]), VAULT_MAKE).found, VAULT_NONE);
    }
    assert_int_equal(queries, 0);
}

/* ---- many at once ------------------------------------------------------------------------------------------------ */

struct told_keys {
    size_t times, count;
    enum vault_found found;
    struct vault_key keys[VAULT_BATCH_MAX];
};

static void on_keys(void *context, enum vault_found found, const struct vault_key *keys, size_t count) {
    struct told_keys *told = context;
    told->times++;
    told->found = found;
    told->count = count;
    assert_true((keys == NULL) == (found == VAULT_NO_DATABASE));
    if (keys != NULL) {
        memcpy(told->keys, keys, count * sizeof *keys);
    }
}

static void many_keys_are_asked_for_at_once_and_told_in_their_order(void **state) {
    struct vault *vault = *state;
    struct told one = key_of(vault, ID(1), VAULT_MAKE), two = key_of(vault, ID(2), VAULT_MAKE);
    vault_forget(vault, ID(1));
    vault_forget(vault, ID(2));
    size_t before = queries;
    const struct str ids[] = {ID(2), ID(9), ID(1), STR("none of ours"), ID(2)};
    static struct told_keys told;
    told = (struct told_keys){0};
    vault_keys_of(vault, ids, 5, on_keys, &told);
    assert_int_equal(queries, before + 1);
    assert_int_equal(told.times, 1);
    assert_int_equal(told.found, VAULT_THERE);
    assert_int_equal(told.count, 5);
    const struct told *const expected[] = {&two, NULL, &one, NULL, &two};
    for (size_t i = 0; i < 5; i++) {
        assert_true(str_equal(told.keys[i].id, expected[i] == NULL ? STR("") : ids[i]));
        if (expected[i] != NULL) {
            assert_memory_equal(told.keys[i].bytes, expected[i]->key.bytes, VAULT_KEY_BYTES);
        }
    }
    /* Now they are remembered, and of those that are not there each is asked for again. */
    is_down = true;
    vault_keys_of(vault, ids, 1, on_keys, &told);
    assert_int_equal(told.found, VAULT_THERE);
    assert_memory_equal(told.keys[0].bytes, two.key.bytes, VAULT_KEY_BYTES);
    vault_keys_of(vault, ids, 5, on_keys, &told);
    assert_int_equal(told.found, VAULT_NO_DATABASE);
    assert_int_equal(told.count, 0);
    vault_keys_of(vault, ids, 0, on_keys, &told);
    assert_int_equal(told.found, VAULT_THERE);
    assert_int_equal(queries, before + 2);
}

static void one_key_that_cannot_be_opened_hides_no_other(void **state) {
    struct vault *vault = *state;
    struct vault *newer = vault_open_by(&ports, NULL, ring_both);
    assert_int_equal(key_of(newer, ID(1), VAULT_MAKE).found, VAULT_THERE);
    vault_close(newer);
    struct told two = key_of(vault, ID(2), VAULT_MAKE);
    vault_forget(vault, ID(2));
    const struct str ids[] = {ID(1), ID(2)};
    static struct told_keys told;
    told = (struct told_keys){0};
    vault_keys_of(vault, ids, 2, on_keys, &told);
    assert_int_equal(told.found, VAULT_NO_MASTER);
    assert_true(str_is_empty(told.keys[0].id));
    assert_true(str_equal(told.keys[1].id, ID(2)));
    assert_memory_equal(told.keys[1].bytes, two.key.bytes, VAULT_KEY_BYTES);
}

static void the_largest_batch_is_one_question(void **state) {
    struct vault *vault = *state;
    static char texts[VAULT_BATCH_MAX][32];
    static struct str ids[VAULT_BATCH_MAX];
    for (size_t i = 0; i < VAULT_BATCH_MAX; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "per_%026zu", i);
        ids[i] = str_of_cstr(texts[i]);
    }
    static struct told_keys told;
    told = (struct told_keys){0};
    vault_keys_of(vault, ids, VAULT_BATCH_MAX, on_keys, &told);
    assert_int_equal(told.times, 1);
    assert_int_equal(told.count, VAULT_BATCH_MAX);
    assert_int_equal(queries, 1);
    assert_int_equal(strlen(newest_text), 1 + VAULT_BATCH_MAX * 31);
    assert_memory_equal(newest_text, "{per_00000000000000000000000000,per_", 36);
    assert_string_equal(newest_text + strlen(newest_text) - 5, "0255}");
}

int main(void) {
#define OVER_TABLE(test) cmocka_unit_test_setup_teardown(test, table_set_up, table_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_is_read_with_its_own_key_only),
        cmocka_unit_test(a_ciphertext_cannot_be_changed_cut_or_moved_to_another_person),
        cmocka_unit_test(the_same_text_is_never_sealed_to_the_same_bytes),
        cmocka_unit_test(a_person_is_known_by_the_address_however_it_is_spelled),
        cmocka_unit_test(a_customer_s_key_is_not_that_of_an_address),
        cmocka_unit_test(a_secret_is_made_once_and_for_its_owner_alone),
        cmocka_unit_test(a_secret_of_another_length_is_refused),
        OVER_TABLE(a_key_is_made_when_it_is_wished_and_stands_there_wrapped),
        OVER_TABLE(a_remembered_key_needs_no_database_until_its_time_is_over),
        OVER_TABLE(a_key_that_was_destroyed_is_gone_after_that_time),
        OVER_TABLE(who_destroyed_it_himself_forgets_it_at_once),
        OVER_TABLE(an_address_has_a_new_key_after_the_old_one_was_destroyed),
        OVER_TABLE(what_was_destroyed_is_told_from_what_was_never_there),
        OVER_TABLE(two_fronts_that_make_one_key_at_once_use_the_same),
        OVER_TABLE(a_database_that_goes_away_in_between_makes_no_key),
        OVER_TABLE(a_key_in_the_clear_is_used_as_it_is),
        OVER_TABLE(a_key_that_cannot_be_opened_is_neither_none_nor_made),
        OVER_TABLE(an_id_that_is_none_of_ours_is_never_there),
        OVER_TABLE(many_keys_are_asked_for_at_once_and_told_in_their_order),
        OVER_TABLE(one_key_that_cannot_be_opened_hides_no_other),
        OVER_TABLE(the_largest_batch_is_one_question),
    };
    return cmocka_run_group_tests_name("vault", tests, set_up, tear_down);
}
