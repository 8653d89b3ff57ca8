/* postgres.h: PostgreSQL in memory, behind the calls of core/pg/session.h: for the simulator's faults and oracles.
 *
 * Purpose  the projectors, a rebuild and a comparison run over it unchanged. It holds tables by the shapes of struct
 *          view and knows the statements that those send (postgres_sql.h); at any other it ends the program.
 * Promise  transactions are atomic, their row locks make others wait, reads are READ COMMITTED (or one snapshot, where
 *          asked for). A process that dies leaves what it had sent: a COMMIT on its way still happens; else its
 *          transaction is rolled back. A crash loses the newest asynchronous commits, each as a whole.
 * Not here SQL, json that is none (it is taken), NOTIFY (it is dropped), statement time-outs.
 * Points   "postgres: before X", "postgres: X is sent", "postgres: after X", X being connect, prepare, query, pipeline,
 *          commit, rollback and script (any other text without parameters).
 * Chains   process->on_end of whoever opens a session; who sets it later has to call what was there.
 * Memory   of the run; rows handed out live until the next sim_postgres_begin.
 * Thread   one.                  May use: world, base, projections.
 */
#pragma once

#include "core/base/buf.h"
#include "core/testing/simulator/world.h"
#include "projections/runtime/view.h"

/* After sim_begin: a server that is up and empty, and a network without faults. */
void sim_postgres_begin(void);
/* The schemas of all views, as `daybook migrate` makes them; on disk at once. */
void sim_postgres_migrate(void);
/* All schemas of views are dropped, and the live ones made anew, empty. While it is down. */
void sim_postgres_empty(void);
/* One view's tables in a schema of another name, which is not there yet. */
void sim_postgres_create(const struct view *view, const char *schema);

/* ---- its life ---------------------------------------------------------------------------------------------------- */

bool sim_postgres_is_up(void);
/* An orderly stop: open transactions are rolled back, sessions end, nothing is lost. */
void sim_postgres_down(void);
/* kill -9 or a power cut: some of the last commits may be gone. It is down then. How many were lost. */
size_t sim_postgres_crash(void);
void sim_postgres_up(void);

/* ---- the network ------------------------------------------------------------------------------------------------- */

/* How often, in a million requests. */
struct sim_postgres_faults {
    int64_t hop_least_us, hop_most_us; /* one way; of a network without faults: 80 and 250 */
    uint32_t slow;                     /* takes up to slow_most_us more, one way */
    int64_t slow_most_us;
    uint32_t request_lost; /* the connection broke before it left */
    uint32_t answer_lost;  /* the connection broke after it was carried out */
    uint32_t late;         /* the connection broke, and the request arrives all the same, up to late_most_us later */
    int64_t late_most_us;
    /* A connection that broke is noticed by the server within so long; until then what it holds is locked. 20 ms; by
     * PostgreSQL's own defaults (tcp_keepalives_idle) it may be two hours. */
    int64_t noticed_most_us;
};

extern struct sim_postgres_faults sim_postgres_faults;

/* While it is cut nothing of the process reaches the server, which answers nothing to it. */
void sim_postgres_cut(struct sim_process *process, bool is_cut);

/* ---- for oracles: what is committed, also while it is down ------------------------------------------------------- */

struct sim_postgres_row {
    struct str key;   /* in the order of the rows */
    struct str bytes; /* of all columns; rows are equal when these are */
};

/* 0 also when there is no such table. */
size_t sim_postgres_row_count(const char *schema, const char *table);
/* The rows are in the order of their keys. */
struct sim_postgres_row sim_postgres_row(const char *schema, const char *table, size_t index);
/* A column as PostgreSQL's binary format has it (bigint: 8 bytes, big-endian); data NULL: NULL. */
struct str sim_postgres_field(struct sim_postgres_row row, size_t column);

/* Where the view in the schema stands; 0: it has not begun. */
int64_t sim_postgres_position(const char *schema, const char *topic, int64_t shard);

/* Whether two schemas of one view hold the same, by the tables that view_compare looks at: the view's own, `streams`
 * and `parked`. The first difference is written, as a sentence. */
bool sim_postgres_equal(const char *schema_a, const char *schema_b, struct buf *ret_difference);

/* Transactions that changed something: committed ever, and of these lost in crashes. */
int64_t sim_postgres_commits(void);
int64_t sim_postgres_lost_commits(void);
