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
    struct str id = vault_key_id(&arena, &secret, STR("a@example.com"));
    assert_true(str_equal(id, vault_key_id(&arena, &secret, STR("A@Example.COM"))));
    assert_false(str_equal(id, vault_key_id(&arena, &secret, STR("b@example.com"))));
    const struct secret other = {{2}};
    assert_false(str_equal(id, vault_key_id(&arena, &other, STR("a@example.com"))));
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_is_read_with_its_own_key_only),
        cmocka_unit_test(a_ciphertext_cannot_be_changed_cut_or_moved_to_another_person),
        cmocka_unit_test(the_same_text_is_never_sealed_to_the_same_bytes),
        cmocka_unit_test(a_person_is_known_by_the_address_however_it_is_spelled),
        cmocka_unit_test(a_secret_is_made_once_and_for_its_owner_alone),
        cmocka_unit_test(a_secret_of_another_length_is_refused),
    };
    return cmocka_run_group_tests_name("vault", tests, set_up, tear_down);
}
