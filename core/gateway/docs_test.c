#include "core/gateway/docs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/daybook-docs-XXXXXX";
static char file[64];

static int set_up(void **state) {
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(file, sizeof file, "%s/" DOCS_RENDERER_FILE, folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    (void)unlink(file);
    return rmdir(folder);
}

static void install(size_t bytes) {
    FILE *out = fopen(file, "we");
    assert_non_null(out);
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(fputc('a' + (int)(i % 26), out), 'a' + (int)(i % 26));
    }
    assert_int_equal(fclose(out), 0);
}

static void without_a_folder_nothing_is_installed(void **state) {
    (void)state;
    struct docs docs;
    struct err_info info;
    assert_int_equal(docs_load(&docs, "", &info), ERR_NONE);
    assert_int_equal(docs.renderer.len, 0);
    docs_release(&docs);
}

static void the_renderer_is_read_whole_and_named_by_its_bytes(void **state) {
    (void)state;
    struct docs docs, again, other;
    struct err_info info;
    install(200000);
    assert_int_equal(docs_load(&docs, folder, &info), ERR_NONE);
    assert_int_equal(docs.renderer.len, 200000);
    assert_int_equal(docs.renderer.data[199999], 'a' + 199999 % 26);
    assert_int_equal(strlen(docs.etag), 2 * DOCS_ETAG_BYTES + 2);
    assert_int_equal(docs.etag[0], '"');
    assert_int_equal(docs.etag[2 * DOCS_ETAG_BYTES + 1], '"');
    assert_int_equal(docs_load(&again, folder, &info), ERR_NONE);
    assert_string_equal(again.etag, docs.etag);
    install(200001);
    assert_int_equal(docs_load(&other, folder, &info), ERR_NONE);
    assert_string_not_equal(other.etag, docs.etag);
    docs_release(&docs);
    docs_release(&again);
    docs_release(&other);
}

static void expect_refusal(const char *of, const char *why) {
    struct docs docs;
    struct err_info info;
    assert_int_equal(docs_load(&docs, of, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, why));
    assert_int_equal(docs.renderer.len, 0);
}

static void a_folder_without_a_good_renderer_is_refused(void **state) {
    (void)state;
    expect_refusal("/nowhere/at/all", "No such file");
    install(0);
    expect_refusal(folder, "must have 1 to");
    install(DOCS_RENDERER_MAX_BYTES + 1);
    expect_refusal(folder, "must have 1 to");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_folder_nothing_is_installed),
        cmocka_unit_test(the_renderer_is_read_whole_and_named_by_its_bytes),
        cmocka_unit_test(a_folder_without_a_good_renderer_is_refused),
    };
    return cmocka_run_group_tests_name("docs", tests, set_up, tear_down);
}
