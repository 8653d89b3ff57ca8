/* people_words.h: the arguments of `daybook people`, read strictly.
 * Memory   the arena's, and the arguments'.
 * Thread   pure, save standard input; any.          May use: base, domain's structs.
 */
#pragma once

#include <stdio.h>

#include "core/base/arena.h"
#include "gen/common.h"

/* The text, or when it is "-" the first line of `in`. False: it is no address. */
MUST_CHECK bool people_email_read(struct arena *arena, const char *text, FILE *in, struct str *ret_email);

MUST_CHECK bool people_customer_read(const char *text, struct str *ret_customer);

/* `admin`, `vendor:NAME` ...: each a grant; none is allowed. False: ret_why says in words what is wrong. */
MUST_CHECK bool people_roles_read(struct arena *arena, int count, char **texts, struct role_grant_array *ret_roles,
                                  const char **ret_why);

struct people_key_words {
    struct str name;
    struct role_grant_array roles;
};

/* NAME, --role ROLE one or more times, --vendor NAME, in any order. */
MUST_CHECK bool people_key_words_read(struct arena *arena, int argc, char **argv, struct people_key_words *ret_words,
                                      const char **ret_why);
