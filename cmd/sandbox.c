#include "cmd/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Rights that the headers of Linux 6.1 do not have yet, and the version of Landlock that brought each. */
enum {
    RIGHT_REFER = 1 << 13,     /* 2: renaming from one folder to another; before, never allowed under Landlock */
    RIGHT_TRUNCATE = 1 << 14,  /* 3 */
    RIGHT_IOCTL_DEV = 1 << 15, /* 5 */
    SCOPE_SIGNAL = 1 << 1,     /* 6: signals go to no process outside */
};

enum {
    READ_RIGHTS = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                  (SANDBOX_ALLOWS_TOOLS ? LANDLOCK_ACCESS_FS_EXECUTE : 0),
    WRITE_FILE_RIGHTS = READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE,
    WRITE_RIGHTS = WRITE_FILE_RIGHTS | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
                   LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | RIGHT_REFER,
    /* What a rule of a single file may hold. */
    RIGHTS_OF_FILES = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                      RIGHT_TRUNCATE | RIGHT_IOCTL_DEV,
    /* Those of the first version: everything but the three above. */
    RIGHTS_OF_FIRST = RIGHT_REFER - 1,
};

/* As in Linux 6.12, where it grew; an older kernel is given the part that it knows. */
struct ruleset {
    uint64_t handled_files, handled_ports, scoped;
};

static uint64_t rights_of_version(long version) {
    return RIGHTS_OF_FIRST | (version >= 2 ? (uint64_t)RIGHT_REFER : 0) |
           (version >= 3 ? (uint64_t)RIGHT_TRUNCATE : 0) | (version >= 5 ? (uint64_t)RIGHT_IOCTL_DEV : 0);
}

static uint64_t rights_of_access(enum sandbox_access access) {
    switch (access) {
    case SANDBOX_READ:
        return READ_RIGHTS;
    case SANDBOX_WRITE_FILE:
        return WRITE_FILE_RIGHTS;
    case SANDBOX_WRITE:
        return WRITE_RIGHTS;
    }
    assert(!"every access returns above");
    return 0;
}

static void close_file(int *fd) {
    if (*fd >= 0) {
        (void)close(*fd);
    }
}

/* What does not exist, or this user may not even look at, needs no rule. */
static bool is_out_of_reach(int error) {
    return error == ENOENT || error == ENOTDIR || error == EACCES;
}

static enum err allow_path(int ruleset, const struct sandbox_path *allowed, uint64_t handled, struct err_info *info) {
    CLEANUP(close_file) int fd = open(allowed->path, O_PATH | O_CLOEXEC);
    struct stat about;
    if (fd < 0 && is_out_of_reach(errno)) {
        return ERR_NONE;
    }
    if (fd < 0 || fstat(fd, &about) != 0) {
        return err_set(info, ERR_IO, "the sandbox cannot open %.120s: %s", allowed->path, strerror(errno));
    }
    uint64_t rights = rights_of_access(allowed->access) & handled;
    const struct landlock_path_beneath_attr rule = {
        .allowed_access = S_ISDIR(about.st_mode) ? rights : rights & RIGHTS_OF_FILES, .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
        return err_set(info, ERR_IO, "the sandbox cannot allow %.120s: %s", allowed->path, strerror(errno));
    }
    return ERR_NONE;
}

enum err sandbox_files(const struct sandbox_path *paths, size_t count, struct err_info *info) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) {
        return err_set(info, ERR_NOT_FOUND, "this kernel has no Landlock: %s", strerror(errno));
    }
    const struct ruleset rules = {.handled_files = rights_of_version(version),
                                  .scoped = version >= 6 ? SCOPE_SIGNAL : 0};
    size_t known = version >= 6 ? sizeof rules : sizeof rules.handled_files;
    CLEANUP(close_file) int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, known, 0);
    if (ruleset < 0) {
        return err_set(info, ERR_IO, "Landlock refuses a set of rules: %s", strerror(errno));
    }
    for (size_t i = 0; i < count; i++) {
        enum err err = allow_path(ruleset, &paths[i], rules.handled_files, info);
        if (err != ERR_NONE) {
            return err;
        }
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        return err_set(info, ERR_IO, "Landlock cannot be entered: %s", strerror(errno));
    }
    return ERR_NONE;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
enum { ARCHITECTURE = (int)AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
enum { ARCHITECTURE = (int)AUDIT_ARCH_AARCH64 };
#else
enum { ARCHITECTURE = 0 };
#endif

/* The numbers of x32, another set of calls under the same architecture, begin here. */
enum { X32_CALLS = 0x40000000 };

/* Denied where the architecture has them: the table's names, by the number that they have in this build's headers. */
#define TOOL_CALL(name) SYS_##name,
#define DENIED_CALL(name) SYS_##name,
static const int denied_calls[] = {
#include "cmd/sandbox_calls.def"
};
#undef TOOL_CALL
#define TOOL_CALL(name) SYS_##name,
#undef DENIED_CALL
#define DENIED_CALL(name)
static const int tool_calls[] = {
#include "cmd/sandbox_calls.def"
};

enum {
    NEW_NAMESPACES =
        CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET,
    /* Each denied call is two instructions; the rest of the program is fewer than this. */
    FILTER_MAX = 2 * ARRAY_LENGTH(denied_calls) + 24,
};
_Static_assert(FILTER_MAX <= BPF_MAXINSNS, "the kernel takes no longer programs");

static bool is_tool_call(int number) {
    for (size_t i = 0; i < ARRAY_LENGTH(tool_calls); i++) {
        if (tool_calls[i] == number) {
            return true;
        }
    }
    return false;
}

struct filter {
    struct sock_filter code[FILTER_MAX];
    uint16_t len;
};

static void filter_add(struct filter *filter, struct sock_filter instruction) {
    assert(filter->len < FILTER_MAX);
    filter->code[filter->len++] = instruction;
}

static void filter_load(struct filter *filter, size_t offset) {
    filter_add(filter, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void filter_answer(struct filter *filter, uint32_t answer) {
    filter_add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer));
}

/* If what was loaded stands to `value` as `comparison` (BPF_JEQ, BPF_JGE, BPF_JSET) says: this answer; else on. */
static void filter_answer_if(struct filter *filter, uint16_t comparison, uint32_t value, uint32_t answer) {
    filter_add(filter, (struct sock_filter)BPF_JUMP((uint16_t)(BPF_JMP | comparison | BPF_K), value, 0, 1));
    filter_answer(filter, answer);
}

static uint32_t refusal(int error) {
    return SECCOMP_RET_ERRNO | ((uint32_t)error & SECCOMP_RET_DATA);
}

static void filter_write(struct filter *filter) {
    filter_load(filter, offsetof(struct seccomp_data, arch));
    filter_add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ARCHITECTURE, 1, 0));
    filter_answer(filter, SECCOMP_RET_KILL_PROCESS);
    filter_load(filter, offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
    filter_answer_if(filter, BPF_JGE, X32_CALLS, SECCOMP_RET_KILL_PROCESS);
#endif
    for (size_t i = 0; i < ARRAY_LENGTH(denied_calls); i++) {
        if (!SANDBOX_ALLOWS_TOOLS || !is_tool_call(denied_calls[i])) {
            filter_answer_if(filter, BPF_JEQ, (uint32_t)denied_calls[i], refusal(EPERM));
        }
    }
    /* clone3 has its flags in memory, which a filter cannot read: glibc takes clone where the kernel has no clone3. */
    filter_answer_if(filter, BPF_JEQ, SYS_clone3, refusal(ENOSYS));
    filter_add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0));
    filter_answer(filter, SECCOMP_RET_ALLOW);
    filter_load(filter, offsetof(struct seccomp_data, args)); /* the low half: both are little-endian */
    filter_answer_if(filter, BPF_JSET, NEW_NAMESPACES, refusal(EPERM));
    filter_answer(filter, SECCOMP_RET_ALLOW);
}

enum err sandbox_calls(struct err_info *info) {
    if (ARCHITECTURE == 0) {
        return err_set(info, ERR_NOT_FOUND, "this build has a filter of calls for x86-64 and aarch64 alone");
    }
    struct filter filter = {.len = 0};
    filter_write(&filter);
    struct sock_fprog program = {.len = filter.len, .filter = filter.code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return err_set(info, ERR_NOT_FOUND, "this kernel cannot give up privileges: %s", strerror(errno));
    }
    /* All threads, should a library have started one; and no slower branches, which are for programs of others. */
    const unsigned long flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    long failed = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (failed != 0) {
        return err_set(info, ERR_NOT_FOUND, "this kernel takes no filter of calls: %s",
                       failed > 0 ? "one thread has another" : strerror(errno));
    }
    return ERR_NONE;
}
