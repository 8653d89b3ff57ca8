#include "cmd/core_files.h"

#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

bool core_files_forbid(void) {
    /* The limit does not bind a core_pattern that begins with '|'; that the process is not dumpable does. */
    const struct rlimit none = {0};
    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0;
}
