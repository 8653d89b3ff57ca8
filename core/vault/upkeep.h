/* upkeep.h: the tables of the vault, and what is done to all keys at once: made sure of, wrapped anew, destroyed.
 *
 * Tables   `vault.keys(key_id, key, wrapped, master, created_at, erased_at, erased_for)`: a row a person's key:
 *          `wrapped` under `master`; or `key`, in the clear, from before there was a ring; or neither and `erased_at`,
 *          a tombstone: it was destroyed. `erased_for` says by which event last, also when another key was made in its
 *          place since. `vault.masters(id, fingerprint)`: the master keys that may wrap, each with a keyed hash of
 *          itself; a key is wrapped under one of these or not at all. `vault.remains`: old forms of keys lie in the
 *          table's file until it is written anew. `vault.installation`: the fingerprint of the secret.
 * Promise  each of these is done again without harm, goes on where a killed one stopped, and may be done while fronts
 *          use the vault; what is acknowledged is committed.
 * Thread   the session's; blocks. For the start of a process, for subcommands and for threads that may wait.
 *          May use: base, pg, libsodium.
 */
#pragma once

#include "core/pg/session.h"
#include "core/vault/master.h"
#include "core/vault/secret.h"

enum {
    VAULT_REWRAP_ROWS = 1000,
    VAULT_VACUUM_WAIT_MS = 5000,
    VAULT_MASTERS_MAX = 64,
    VAULT_CLOCKS_DIFFER_S = 300, /* how far the database's clock and the log's may be apart */
};

/* What `daybook migrate` runs; may be run again. The keys that are there stay as they are. */
extern const char *const vault_sql;

/* Whether this is the secret of the installation: its fingerprint, a keyed hash that says nothing of the secret, is
 * what `vault.installation` holds; the first who asks writes it there. ERR_CONFIG: it is another installation's secret.
 */
MUST_CHECK enum err vault_check_secret(struct pg_session *session, const struct secret *secret, struct err_info *info);

/* Whether this ring opens what is there, and may wrap: all master keys of `vault.masters` are in it. Then its first is
 * written there, if it is not yet. Of two that come with rings of their own to an installation that has none, one
 * passes. ERR_CONFIG: names what the ring lacks, or has of the same name and other bytes. */
MUST_CHECK enum err vault_check_ring(struct pg_session *session, const struct master_ring *ring, struct err_info *info);

/* Wraps every key under the ring's first master key: those in the clear, and those under another one. Asks
 * vault_check_ring before. VAULT_REWRAP_ROWS a transaction; `ret_done` counts what was done, also when it fails.
 * ERR_MALFORMED: some cannot be opened and stay as they are; all others were done. */
MUST_CHECK enum err vault_rewrap(struct pg_session *session, const struct master_ring *ring, int64_t *ret_done,
                                 struct err_info *info);

/* A key that is to go. */
struct vault_doomed {
    struct str key_id;
    struct str cause;    /* the event that asks for it */
    int64_t asked_at_us; /* since 1970, by the log's time; of use where others may have a key of this id later */
    bool may_be_anew;    /* VAULT_MAKE_ANEW may make another one: an address's. A customer's own is never made again */
};

/* Destroys them, for ever: also one that is not there, so that it is never made. VAULT_MAKE_ANEW alone makes another
 * one under the id; which is somebody else's, and is left alone when this comes late or again: of those that may be
 * anew, one stays that stands there since this very cause destroyed the one before it, or since more than
 * VAULT_CLOCKS_DIFFER_S after it was asked for. `ret_left` counts these; NULL: nobody wants to know. At most 1,000,000
 * bytes of ids, and of causes. */
MUST_CHECK enum err vault_destroy(struct pg_session *session, const struct vault_doomed *doomed, size_t count,
                                  int64_t *ret_left, struct err_info *info);

/* Writes the table anew without what was replaced or destroyed, if there is any such. Waits VAULT_VACUUM_WAIT_MS for
 * whoever uses the table, fronts wait for it: about a second a million keys. Only its owner may. ERR_TIMEOUT,
 * retriable: somebody used it all that time. `ret_was_due` may be NULL. */
MUST_CHECK enum err vault_vacuum(struct pg_session *session, bool *ret_was_due, struct err_info *info);

/* No key may be wrapped under it any more. ERR_CONFLICT: some are. Whoever it is that was never there: ERR_NONE. */
MUST_CHECK enum err vault_drop_master(struct pg_session *session, struct str id, struct err_info *info);

struct vault_master_figures {
    char id[MASTER_ID_MAX + 1];
    int64_t keys; /* wrapped under it */
};

struct vault_figures {
    int64_t in_the_clear, destroyed;
    bool has_remains; /* vault_vacuum is due */
    size_t master_count;
    struct vault_master_figures masters[VAULT_MASTERS_MAX]; /* of vault.masters, the first VAULT_MASTERS_MAX by id */
};

/* One look over all keys. */
MUST_CHECK enum err vault_look(struct pg_session *session, struct vault_figures *ret_figures, struct err_info *info);
