/* secrets_scrub.h: what was given in the environment does not stay there.
 *
 * Purpose  /proc/PID/environ shows a process's first environment for as long as it lives: to its user, to root, to
 *          whoever collects diagnostics, and to a program that the process would start.
 * Promise  afterwards no variable with a secret (config_variable_is_secret) is in the environment, and its bytes are
 *          overwritten where the kernel shows them. PGPASSWORD, which libpq asks for at each connection, stays in the
 *          environment, but not where the kernel shows it. The configuration, which has copies, is untouched.
 * Thread   once, after config_load, before any other thread starts: environ is changed.     May use: base, libc.
 */
#pragma once

void secrets_scrub(void);
