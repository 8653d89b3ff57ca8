#include "cmd/secrets_scrub.h"

#include <string.h>
#include <unistd.h>

#include "core/base/config.h"
#include "core/base/memory.h"

/* libpq's own: its value is asked for later, from wherever it then lies. */
static const char libpq_password[] = "PGPASSWORD=";

/* Takes the place of `entry` in environ. Not setenv: it keeps nothing, and may leave the entry where it is. */
static void move_entry(char **place) {
    char *entry = *place;
    *place = strdup_or_end(entry);
    explicit_bzero(entry + sizeof libpq_password - 1, strlen(entry) - (sizeof libpq_password - 1));
}

void secrets_scrub(void) {
    char **kept = environ;
    for (char **at = environ; at != NULL && *at != NULL; at++) {
        if (strncmp(*at, libpq_password, sizeof libpq_password - 1) == 0) {
            move_entry(at);
        } else if (config_variable_is_secret(*at)) {
            /* The name as well: an empty value would look like one that was set so. */
            explicit_bzero(*at, strlen(*at));
            continue;
        }
        *kept++ = *at;
    }
    if (kept != NULL) {
        *kept = NULL;
    }
}
