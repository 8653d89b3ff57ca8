/* confinement.h: what a process gives up before it serves: root, and by the sandbox all files, programs and system
 * calls that its roles do not need.
 *
 * Purpose  which files these are is told by the configuration: data_dir, docs_dir, secret_file, master_key_file,
 *          smtp_ca_file, and those of libpq's certificates and passwords. A new setting that names a file belongs into
 *          confinement.c.
 * Promise  a folder that a role makes at its start is made before, because afterwards nothing can be made beside it.
 *          A kernel without Landlock or seccomp is told once, and the process serves without.
 * Thread   before any other thread starts.      May use: base, vault, libpq.
 */
#pragma once

#include "core/base/config.h"

/* What the roles of this process do with files. */
struct confinement {
    bool keeps_data;    /* in data_dir */
    bool has_front;     /* reads secret_file, master_key_file and docs_dir */
    bool has_connector; /* reads the first two, and smtp_ca_file */
};

/* ERR_CONFIG: root may not serve. ERR_IO: the sandbox is refused by a kernel that has one. */
MUST_CHECK enum err confinement_enter(const struct config *config, struct confinement roles, struct err_info *info);
