#include "cmd/confinement.h"
#include "cmd/test_child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { NOBODY = 65534 };

/* Everything below one folder, which belongs to whom the child is going to be. */
struct place {
    char root[64], data[96], secret[128], master[128], docs[96], elsewhere[96];
};

static void make_file(const char *path) {
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "text", 4), 4);
    close(fd);
}

static int place_setup(void **state) {
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    snprintf(place->root, sizeof place->root, "/tmp/daybook-confinement-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    snprintf(place->data, sizeof place->data, "%s/data", place->root);
    snprintf(place->secret, sizeof place->secret, "%s/keys/secret", place->root);
    snprintf(place->master, sizeof place->master, "%s/keys/master", place->root);
    snprintf(place->docs, sizeof place->docs, "%s/docs", place->root);
    snprintf(place->elsewhere, sizeof place->elsewhere, "%s/elsewhere", place->root);
    assert_int_equal(mkdir(place->docs, 0755), 0);
    assert_int_equal(mkdir(place->elsewhere, 0755), 0);
    char path[128];
    snprintf(path, sizeof path, "%s/page", place->docs);
    make_file(path);
    snprintf(path, sizeof path, "%s/file", place->elsewhere);
    make_file(path);
    if (geteuid() == 0) {
        assert_int_equal(chown(place->root, NOBODY, NOBODY), 0);
        assert_int_equal(chown(place->elsewhere, NOBODY, NOBODY), 0);
        assert_int_equal(chown(path, NOBODY, NOBODY), 0);
    }
    *state = place;
    return 0;
}

static int place_teardown(void **state) {
    struct place *place = *state;
    static const char *const names[] = {"data/store", "data", "keys/secret",    "keys/master", "keys",
                                        "docs/page",  "docs", "elsewhere/file", "elsewhere",   ".pgpass"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", place->root, names[i]);
        (void)remove(path);
    }
    assert_int_equal(rmdir(place->root), 0);
    free(place);
    return 0;
}

static struct config config_of(const struct place *place) {
    return (struct config){.postgres = "host=127.0.0.1",
                           .data_dir = place->data,
                           .secret_file = place->secret,
                           .master_key_file = place->master,
                           .master_keys_secret = "",
                           .vault_postgres = "",
                           .docs_dir = place->docs,
                           .tls_certificate = "",
                           .tls_key = "",
                           .smtp_ca_file = "",
                           .sandbox_reads = "",
                           .sandbox = true};
}

/* In a child that is nobody, since root is refused and the sandbox is for ever; 0, or the line that was not so. */
static void as_nobody(int (*work)(const struct place *), const struct place *place) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)) {
            _exit(255);
        }
        _exit(work(place));
    }
    test_child_await(pid);
}

static bool is_confined(void) {
    const unsigned version = 1;
    bool has_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, version) >= 1;
    return has_landlock && prctl(PR_GET_SECCOMP) == 2;
}

static int a_handler_has_its_data(const struct place *place) {
    struct config config = config_of(place);
    struct err_info info;
    EXPECT(confinement_enter(&config, (struct confinement){.keeps_data = true}, &info) == ERR_NONE);
    EXPECT(is_confined());
    EXPECT(test_open_errno(place->data, "/store", O_RDWR | O_CREAT) == 0);
    EXPECT(test_open_errno(place->docs, "/page", O_RDONLY) == EACCES);
    EXPECT(test_open_errno(place->secret, "", O_RDONLY) == ENOENT); /* nobody has made it */
    EXPECT(test_open_errno(place->master, "", O_RDONLY) == ENOENT);
    EXPECT(test_open_errno(place->elsewhere, "/file", O_RDONLY) == EACCES);
    EXPECT(test_open_errno(place->elsewhere, "/file", O_WRONLY) == EACCES);
    EXPECT(test_open_errno("/proc/sys/kernel/random/boot_id", "", O_RDONLY) == 0);
    EXPECT(test_open_errno("/dev/null", "", O_RDWR) == 0);
    EXPECT(test_open_errno("/etc/passwd", "", O_RDONLY) == 0);
    return 0;
}

static int a_front_has_its_secret_and_docs(const struct place *place) {
    struct config config = config_of(place);
    struct err_info info;
    char passwords[128];
    (void)snprintf(passwords, sizeof passwords, "%s/file", place->elsewhere);
    config.password_list = passwords;
    EXPECT(confinement_enter(&config, (struct confinement){.has_front = true}, &info) == ERR_NONE);
    EXPECT(is_confined());
    EXPECT(test_open_errno(place->secret, "", O_RDONLY) == 0); /* made before, since it cannot be now */
    EXPECT(test_open_errno(place->secret, "", O_WRONLY) == EACCES);
    EXPECT(test_open_errno(place->master, "", O_RDONLY) == 0);
    EXPECT(test_open_errno(place->master, "", O_WRONLY) == EACCES);
    EXPECT(test_open_errno(place->docs, "/page", O_RDONLY) == 0);
    EXPECT(test_open_errno(passwords, "", O_RDONLY) == 0);
    EXPECT(test_open_errno(passwords, "", O_WRONLY) == EACCES);
    EXPECT(mkdir(place->data, 0700) == -1 && errno == EACCES);
    return 0;
}

/* Its authorities may be exchanged for others, so their folder is open. */
static int a_connector_has_its_keys_and_authorities(const struct place *place) {
    struct config config = config_of(place);
    char authorities[256];
    (void)snprintf(authorities, sizeof authorities, "%s/file", place->elsewhere);
    config.smtp_ca_file = authorities;
    struct err_info info;
    EXPECT(confinement_enter(&config, (struct confinement){.has_connector = true}, &info) == ERR_NONE);
    EXPECT(is_confined());
    EXPECT(test_open_errno(place->secret, "", O_RDONLY) == 0);
    EXPECT(test_open_errno(place->master, "", O_RDONLY) == 0);
    EXPECT(test_open_errno(place->master, "", O_WRONLY) == EACCES);
    EXPECT(test_open_errno(place->elsewhere, "/file", O_RDONLY) == 0);
    EXPECT(test_open_errno(place->elsewhere, "/file", O_WRONLY) == EACCES);
    EXPECT(test_open_errno(place->docs, "/page", O_RDONLY) == EACCES);
    return 0;
}

/* What names its certificates is the vault's connection string. No file is made where the ring is in the settings. */
static int a_front_has_a_vault_of_its_own(const struct place *place) {
    struct config config = config_of(place);
    char postgres[256];
    (void)snprintf(postgres, sizeof postgres, "host=keys sslrootcert=%s/file", place->elsewhere);
    config.vault_postgres = postgres;
    config.master_keys_secret = "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    struct err_info info;
    EXPECT(confinement_enter(&config, (struct confinement){.has_front = true}, &info) == ERR_NONE);
    EXPECT(is_confined());
    EXPECT(test_open_errno(place->elsewhere, "/file", O_RDONLY) == 0);
    EXPECT(test_open_errno(place->elsewhere, "/file", O_WRONLY) == EACCES);
    EXPECT(test_open_errno(place->master, "", O_RDONLY) == ENOENT);
    return 0;
}

/* Whoever has no front opens no person's key. */
static int a_handler_has_no_keys(const struct place *place) {
    struct config config = config_of(place);
    char file[128];
    (void)snprintf(file, sizeof file, "%s/file", place->elsewhere);
    config.master_key_file = file;
    struct err_info info;
    EXPECT(confinement_enter(&config, (struct confinement){.keeps_data = true}, &info) == ERR_NONE);
    EXPECT(is_confined());
    EXPECT(test_open_errno(file, "", O_RDONLY) == EACCES);
    return 0;
}

/* A renewed certificate is another file in the place of the one that was there at the start. */
static int a_front_reads_whatever_comes_beside_its_certificate(const struct place *place) {
    struct config config = config_of(place);
    char certificate[128];
    (void)snprintf(certificate, sizeof certificate, "%s/not-there-yet", place->elsewhere);
    config.tls_certificate = certificate;
    struct err_info info;
    EXPECT(confinement_enter(&config, (struct confinement){.has_front = true}, &info) == ERR_NONE);
    EXPECT(is_confined());
    EXPECT(test_open_errno(place->elsewhere, "/file", O_RDONLY) == 0);
    EXPECT(test_open_errno(place->elsewhere, "/file", O_WRONLY) == EACCES);
    return 0;
}

/* As with the front's certificate, what comes beside the authority's is read as well. */
static int what_libpq_and_the_operator_name_is_read(const struct place *place) {
    struct config config = config_of(place);
    char postgres[256], reads[256], home[128];
    (void)snprintf(postgres, sizeof postgres, "host=db sslmode=verify-full sslrootcert=%s/not-there-yet", place->docs);
    (void)snprintf(reads, sizeof reads, ":/nonexistent:%s/file::", place->elsewhere);
    (void)snprintf(home, sizeof home, "%s/.pgpass", place->root);
    config.postgres = postgres;
    config.sandbox_reads = reads;
    setenv("HOME", place->root, 1);
    struct err_info info;
    EXPECT(test_open_errno(home, "", O_WRONLY | O_CREAT) == 0);
    enum err err = confinement_enter(&config, (struct confinement){.keeps_data = false}, &info);
    int pgpass = test_open_errno(home, "", O_RDONLY);
    EXPECT(err == ERR_NONE && is_confined());
    EXPECT(pgpass == 0);
    EXPECT(test_open_errno(place->docs, "/page", O_RDONLY) == 0);
    EXPECT(test_open_errno(place->elsewhere, "/file", O_RDONLY) == 0);
    EXPECT(test_open_errno(place->elsewhere, "/file", O_WRONLY) == EACCES);
    return 0;
}

static int without_the_setting_nothing_is_given_up(const struct place *place) {
    struct config config = config_of(place);
    config.sandbox = false;
    struct err_info info;
    EXPECT(confinement_enter(&config, (struct confinement){.has_front = true}, &info) == ERR_NONE);
    EXPECT(prctl(PR_GET_SECCOMP) == 0 && test_open_errno(place->elsewhere, "/file", O_RDWR) == 0);
    return 0;
}

static int too_many_paths_are_refused(const struct place *place) {
    struct config config = config_of(place);
    char reads[3 * 65 + 1];
    for (size_t i = 0; i < 65; i++) {
        memcpy(reads + 3 * i, "/x:", 4);
    }
    config.sandbox_reads = reads;
    struct err_info info;
    EXPECT(confinement_enter(&config, (struct confinement){.has_front = true}, &info) == ERR_CONFIG);
    EXPECT(strstr(info.text, "more than 64 paths") != NULL);
    EXPECT(prctl(PR_GET_SECCOMP) == 0);
    return 0;
}

static void skip_without_landlock(void) {
    const unsigned version = 1;
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, version) < 1) {
        skip();
    }
}

static void a_handler_uses_its_data_and_nothing_else(void **state) {
    skip_without_landlock();
    as_nobody(a_handler_has_its_data, *state);
}

static void a_front_reads_its_secret_and_pages_and_writes_nothing(void **state) {
    skip_without_landlock();
    as_nobody(a_front_has_its_secret_and_docs, *state);
}

static void a_front_reads_what_its_vault_names(void **state) {
    skip_without_landlock();
    as_nobody(a_front_has_a_vault_of_its_own, *state);
}

static void a_connector_reads_its_keys_and_authorities_and_no_pages(void **state) {
    skip_without_landlock();
    as_nobody(a_connector_has_its_keys_and_authorities, *state);
}

static void a_handler_cannot_read_the_master_keys(void **state) {
    skip_without_landlock();
    as_nobody(a_handler_has_no_keys, *state);
}

static void a_front_reads_a_renewed_certificate(void **state) {
    skip_without_landlock();
    as_nobody(a_front_reads_whatever_comes_beside_its_certificate, *state);
}

static void certificates_passwords_and_what_is_named_are_read(void **state) {
    skip_without_landlock();
    as_nobody(what_libpq_and_the_operator_name_is_read, *state);
}

static void the_sandbox_can_be_left_off(void **state) {
    as_nobody(without_the_setting_nothing_is_given_up, *state);
}

static void a_list_that_is_too_long_changes_nothing(void **state) {
    as_nobody(too_many_paths_are_refused, *state);
}

static void root_is_refused_before_anything_is_made(void **state) {
    if (geteuid() != 0) {
        skip();
    }
    const struct place *place = *state;
    struct config config = config_of(place);
    struct err_info info;
    enum err err = confinement_enter(&config, (struct confinement){.keeps_data = true, .has_front = true}, &info);
    assert_int_equal(err, ERR_CONFIG);
    assert_non_null(strstr(info.text, "root may not serve"));
    assert_int_equal(access(place->data, F_OK), -1);
    assert_int_equal(access(place->secret, F_OK), -1);
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_handler_uses_its_data_and_nothing_else),
        TEST(a_front_reads_its_secret_and_pages_and_writes_nothing),
        TEST(a_front_reads_what_its_vault_names),
        TEST(a_connector_reads_its_keys_and_authorities_and_no_pages),
        TEST(a_handler_cannot_read_the_master_keys),
        TEST(a_front_reads_a_renewed_certificate),
        TEST(certificates_passwords_and_what_is_named_are_read),
        TEST(the_sandbox_can_be_left_off),
        TEST(a_list_that_is_too_long_changes_nothing),
        TEST(root_is_refused_before_anything_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
