/* post.h: what the mail server of the world was handed, and which keys of persons are destroyed.
 *
 * Purpose  smtp_calls.c is the double of core/connect/smtp_calls.h: a server that takes mails, refuses them, puts them
 *          off, or takes them and is not heard. vault.c is that of core/vault: nothing is really sealed, so each key is
 *          there until it is destroyed, and what is sealed with per_7 is the address per_7@example.com.
 * Thread   one.                  May use: world, base.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/str.h"

/* In a million. Zero: nothing goes wrong. */
struct sim_post_faults {
    uint32_t put_off;    /* 451 */
    uint32_t refused;    /* 550 */
    uint32_t unheard;    /* the answer is lost, and the mail taken */
    uint32_t unreached;  /* the mail is lost on its way */
    uint32_t vault_away; /* the database does not answer about a key */
};
extern struct sim_post_faults sim_post_faults;

void sim_post_draw_faults(void);
void sim_post_heal(void);

/* A mail that the server took, once or more often. */
struct sim_mail {
    struct str message_id; /* with its brackets */
    struct str to;
    struct str data;         /* the first time */
    uint32_t taken, changed; /* how often; how often as another mail than before */
};

uint32_t sim_mail_count(void);
const struct sim_mail *sim_mail_at(uint32_t index);

bool sim_key_is_destroyed(struct str key_id);
