#include "cmd/secrets_scrub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "core/base/buf.h"

/* What a child writes into its standard output when it is started with this environment. */
static void run_child(char *const environment[], const char *program, struct buf *out) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        char *const arguments[] = {(char *)program, (char *)"child", NULL};
        execve(program, arguments, environment);
        _exit(127);
    }
    (void)close(ends[1]);
    buf_init(out, 64 * 1024);
    for (;;) {
        char *at = buf_reserve(out, 4096);
        assert_non_null(at);
        ssize_t got = read(ends[0], at, 4096);
        assert_true(got >= 0);
        if (got == 0) {
            break;
        }
        out->len += (uint32_t)got;
    }
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* What the kernel shows of this process, then what getenv does. */
static int be_child(void) {
    secrets_scrub();
    FILE *shown = fopen("/proc/self/environ", "re");
    if (shown == NULL) {
        return 1;
    }
    for (int byte = fgetc(shown); byte != EOF; byte = fgetc(shown)) {
        putchar(byte);
    }
    (void)fclose(shown);
    for (char **at = environ; *at != NULL; at++) {
        printf("\nhas %s", *at);
    }
    printf("\n");
    return fflush(stdout) == 0 ? 0 : 1;
}

static bool holds(const struct buf *out, const char *text) {
    return memmem(out->data, out->len, text, strlen(text)) != NULL;
}

static const char *program_path;

static void a_secret_is_neither_shown_nor_kept(void **state) {
    (void)state;
    char *const environment[] = {
        (char *)"FIRST=1",
        (char *)"DAYBOOK_PROVIDER_WEBHOOK_SECRET=hunter-a",
        (char *)"DAYBOOK_POSTGRES=host=db password=hunter-b",
        (char *)"DAYBOOK_MASTER_KEYS_SECRET=m hunter-d",
        (char *)"DAYBOOK_VAULT_POSTGRES=postgresql://keys:hunter-e@db/keys",
        (char *)"DAYBOOK_MASTER_KEY_FILE=/a/file",
        (char *)"DAYBOOK_KAFKA_PASSWORD=hunter-f",
        (char *)"DAYBOOK_HTTP_PORT=81",
        (char *)"PGPASSWORD=hunter-c",
        (char *)"LAST=1",
        NULL,
    };
    struct buf out;
    run_child(environment, program_path, &out);
    assert_false(holds(&out, "hunter-a"));
    assert_false(holds(&out, "hunter-b"));
    assert_false(holds(&out, "DAYBOOK_POSTGRES"));
    assert_false(holds(&out, "DAYBOOK_PROVIDER_WEBHOOK_SECRET"));
    assert_false(holds(&out, "hunter-d"));
    assert_false(holds(&out, "hunter-e"));
    assert_false(holds(&out, "hunter-f"));
    assert_true(holds(&out, "\nhas FIRST=1\nhas DAYBOOK_MASTER_KEY_FILE=/a/file\nhas DAYBOOK_HTTP_PORT=81\n"));
    assert_true(holds(&out, "\nhas LAST=1\n"));
    /* libpq still finds its own, but nobody else does. */
    assert_true(holds(&out, "\nhas PGPASSWORD=hunter-c\n"));
    assert_true(holds(&out, "PGPASSWORD="));
    const char *first = memmem(out.data, out.len, "hunter-c", 8);
    assert_null(memmem(first + 8, (size_t)(out.data + out.len - first - 8), "hunter-c", 8));
    buf_release(&out);
}

static void without_secrets_all_stays_as_it_was(void **state) {
    (void)state;
    char *const environment[] = {(char *)"DAYBOOK_POSTGRES=host=db user=daybook", (char *)"A=password=1", NULL};
    struct buf out;
    run_child(environment, program_path, &out);
    assert_true(holds(&out, "\nhas DAYBOOK_POSTGRES=host=db user=daybook\nhas A=password=1\n"));
    buf_release(&out);
}

static void an_empty_environment_stays_empty(void **state) {
    (void)state;
    char *const environment[] = {NULL};
    struct buf out;
    run_child(environment, program_path, &out);
    assert_false(holds(&out, "has "));
    buf_release(&out);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "child") == 0) {
        return be_child();
    }
    program_path = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_neither_shown_nor_kept),
        cmocka_unit_test(without_secrets_all_stays_as_it_was),
        cmocka_unit_test(an_empty_environment_stays_empty),
    };
    return cmocka_run_group_tests_name("secrets_scrub", tests, NULL, NULL);
}
