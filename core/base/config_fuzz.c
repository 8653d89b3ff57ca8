/* config_fuzz.c: libFuzzer on the file of settings.
 *
 * Beyond what the sanitizers see: a refusal says why; what `daybook config` prints of what was taken can be
 * saved and read again, and says the same then, but for secrets; and none of these is printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/config.h"

enum { FILE_MAX_BYTES = 64 * 1024, PRINT_MAX_BYTES = 1024 * 1024 };

#define SECRET "canary-5d0c7be1"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "config_fuzz: %s\n", what);
        abort();
    }
}

/* From a file that lives in memory alone. */
static enum err load(struct str first, struct str second, struct config *config, struct err_info *info) {
    char path[32];
    int fd = memfd_create("settings", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, first.data, first.len) == (ssize_t)first.len &&
                write(fd, second.data, second.len) == (ssize_t)second.len,
            "there is memory for a file");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum err err = config_load(config, path, info);
    close(fd);
    return err;
}

static struct str take_line(struct str *text) {
    struct str line = str_first(*text, str_find(*text, '\n'));
    *text = str_from(*text, line.len + 1);
    return line;
}

/* A secret that was set is a comment in what was printed first, and was not read again. */
static bool says_the_same(struct str first, struct str second) {
    while (first.len > 0 && second.len > 0) {
        struct str one = take_line(&first), other = take_line(&second);
        bool is_secret = one.len > 8 && str_equal(str_from(one, one.len - 8), STR(" = (set)"));
        if (!is_secret && !str_equal(one, other)) {
            return false;
        }
    }
    return first.len == 0 && second.len == 0;
}

static void print_and_read(struct config *config, bool has_canary) {
    struct config again;
    struct err_info info = {0};
    struct buf printed, printed_again;
    buf_init(&printed, PRINT_MAX_BYTES);
    buf_init(&printed_again, PRINT_MAX_BYTES);
    config_print(config, &printed);
    require(buf_ok(&printed), "settings are not longer than their file");
    require(has_canary || memmem(printed.data, printed.len, SECRET, sizeof SECRET - 1) == NULL,
            "a secret is not printed");
    require(load(buf_text(&printed), STR(""), &again, &info) == ERR_NONE, "what is printed can be read");
    config_print(&again, &printed_again);
    require(says_the_same(buf_text(&printed), buf_text(&printed_again)), "and says the same");
    config_release(&again);
    buf_release(&printed_again);
    buf_release(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str text = str_of((const char *)data, size);
    /* What is read from another file is not the input's. */
    if (size == 0 || size > FILE_MAX_BYTES || memmem(data, size, "file:", 5) != NULL) {
        return 0;
    }
    clearenv();
    struct config config = {0};
    struct err_info info = {0};
    bool has_canary = memmem(data, size, SECRET, sizeof SECRET - 1) != NULL;
    if (load(text, STR("\npostgres = host=db password=" SECRET "\nkafka_password = " SECRET "\n"), &config, &info) ==
        ERR_NONE) {
        print_and_read(&config, has_canary);
        config_release(&config);
    } else {
        require(info.code == ERR_CONFIG && info.text[0] != '\0', "a refusal says why");
    }
    return 0;
}
