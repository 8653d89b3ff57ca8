/* oracle.h: what must be true of a run, judged from the raw log, the clients' journal and the provider's ledger.
 *
 * Purpose  the system under test is never asked whether it is right. The log is read as it lies in the broker and
 *          folded by the oracle's own few lines: by nothing of the domain or the handler, nor by core/log/verify.c.
 * When     the faults are healed, the clients are done (shoppers_ask_unanswered included), and the system had time.
 * Checks   log.record         what lies in an event topic or in outcomes can be read, in its family's topic, in its
 *                             stream's partition, under its key
 *          history.version    versions 1, 2, 3 ... of a stream
 *          history.chain      each event holds the hash of the one before it
 *          history.time       occurred_at never goes back
 *          history.id         no event id twice
 *          effect.once        the events of a command are one batch of one stream in one transaction
 *          effect.unasked     what came from outside was asked for by a client of the journal
 *          outcome.once       one final outcome a command, a pending one before it at most
 *          outcome.told       it is what the clients were told, byte for byte
 *          outcome.body       one of the bodies sent under a key has the effect; all others are told of the reuse
 *          outcome.version    what is answered stands in the log at the version that is told
 *          outcome.refused    a refusal has no events (save of a command that is answered at rest)
 *          outcome.missing    a command with a key that stands in the log has a final outcome
 *          outcome.forgotten  who asks after a decided command is not told that it is unknown
 *          outcome.unsent     what was answered 503 stands nowhere
 *          outcome.unanswered what is asked once the world is healed is answered in the end
 *          stock.negative     on_hand - reserved >= 0 per location after every event
 *          stock.sum          the events' own totals are those of the fold; allocations add up
 *          stock.hold         a reservation is held once and resolves once
 *          stock.journal      every receipt, adjustment and transfer is one that a client sent, with its units; each
 *                             that was accepted is there
 *          stock.oversold     units of confirmed orders of a SKU <= units received and adjusted
 *          stock.sold         an order that a client was told confirmed, and nobody cancelled, has its units
 *          stock.order        reservations stand as their orders do
 *          order.life         an order ends once, is confirmed once, and nothing follows its end but money sent back
 *          order.expired      none is cancelled that nobody asked to cancel, while a payment of it is under way or was
 *                             made: the deadline is for those that wait, and so is the end of their holds
 *          order.unsettled    none is left that is still moving, or past its deadline
 *          money.capture      one capture a payment, not above what was asked for
 *          money.refund       refunded + pending <= captured
 *          money.ledger       the provider's ledger says the same sums as the events
 *          money.charged      the provider carried out each charge once
 *          money.kept         a confirmed order keeps its total, any other order nothing
 *          money.held         no money is left authorized for nothing
 *          money.open         no payment of an ended order still waits for the shopper's step
 *          person.unique      an address is one customer's at a time, and whoever is verified has his
 *          person.released    he gives it back himself, who does not want it any more does not keep it, and each claim
 *                             has an answer
 *          person.session     sessions are numbered 1, 2, 3 ..., their tokens likewise; none comes after an end
 *          person.lockout     failed proofs are counted one by one, logins and those within sessions each for itself,
 *                             lock as long as they must, and nothing is proved meanwhile
 *          person.erased      nothing is written of a customer who is erased, and each erasure comes to its end
 *          person.destroyed   who is to be erased is, and his keys are destroyed by then
 *          person.owner       what is a customer's stays his, and nobody from outside but he and the house touches it
 *          key.secret         an API key's secrets are numbered 1, 2, 3 ..., and none comes twice
 *          key.use            a use is noted once an hour, and none ahead of its time
 *          key.life           nothing is done with a key before it is made, or after it was revoked
 *          category.tree      after each event categories are a tree: none in itself, in what is not there, or too deep
 *          mail.closed        an event that is told to somebody has an outcome: sent, failed, erased; or he is erased,
 *                             or his order is cancelled
 *          mail.asked         no mail without such an event, and each goes to whom the event says; nothing is said of a
 *                             mail that no event of its stream has asked for
 *          mail.same          one that is sent again is the same, its Message-ID included; save for a log that was cut
 *          mail.told          what is said to be sent was taken by the server
 *          settled.undecided  no command in the log is undecided
 *          settled.open       no transaction is left open       settled.late    it took longer than it may
 *          settled.intent     no call that the provider was owed is unanswered
 *          settled.webhook    no webhook of the provider is untold
 *          settled.torn       a record that a client sent torn is among the dead letters
 *          settled.aside      dead letters, unless they are allowed
 *          views.*            the caller's own (compare_views)
 * A log that was cut is judged as it is: what is left must be whole, and views, holds and money must be those of what
 * is left. What clients were told between the moment that is left and the cut is asked of nobody, nor is the provider's
 * money of a purchase that lost records.
 * Promise  all violations are collected, in an order that depends on the log alone.
 * Memory   ORACLE_MAX_BYTES at most; oracle_free gives it back. The log and the journal must outlive it.
 * Thread   one.                  May use: base, log's records, generated code, broker.h, journal.h.
 */
#pragma once

#include <stdio.h>

#include "core/base/config.h"
#include "core/testing/simulator/broker.h"
#include "core/testing/simulator/journal.h"

#define ORACLE_MAX_BYTES ((size_t)8 << 30)

/* What the provider did for one payment. */
struct oracle_payment {
    struct str payment;
    int64_t authorized_minor, captured_minor, refunded_minor, contested_minor, lost_minor;
    int charges; /* that took effect */
    bool is_voided;
};

/* A mail that the server took. */
struct oracle_mail {
    struct str message_id, to;
    uint32_t changed; /* how often it came as another one */
};

/* Where the log and the ledger are. Tests bring their own; oracle_world has the simulator's. */
struct oracle_sources {
    struct broker_partition *(*partition)(const char *topic, int32_t number);
    int64_t (*stable_offset)(const struct broker_partition *partition);
    int64_t (*group_offset)(const char *group, const char *topic, int32_t partition); /* -1: none */
    size_t (*payment_count)(void);
    struct oracle_payment (*payment_at)(size_t index);
    bool (*has_lost)(struct str key); /* whether a power cut took records under the key; NULL: there was none */
    uint32_t (*webhooks_open)(void);  /* that the provider has yet to tell; NULL: it tells none */
    size_t (*mail_count)(void);       /* NULL: there is no mail server, and nobody who destroys keys */
    struct oracle_mail (*mail_at)(size_t index);
    bool (*key_is_destroyed)(struct str key_id);
};

/* The simulator's broker and payment provider. */
extern const struct oracle_sources oracle_world;

struct oracle;

struct oracle_options {
    const struct config *config;
    const struct oracle_sources *sources;
    const struct journal *journal;
    int64_t now_wall_us;       /* of the world: what is past its deadline */
    int64_t deadline_grace_us; /* timers may be so late: clocks of processes differ by 30 s before timers stop */
    int64_t healed_us, settled_us, settle_most_us; /* settled.late; settle_most_us 0: not asked */
    int64_t cut_from_us, cut_until_us; /* what the log got between the two a power cut took; 0: there was none */
    bool dead_letters_are_fine;        /* processes were killed: a command that killed two of them is set aside */
    void (*compare_views)(struct oracle *oracle, void *context); /* NULL: not compared */
    void *views_context;
};

struct oracle_violation {
    const char *check; /* one of the list above */
    const char *text;  /* what, which stream, where, expected and found */
};

/* Judges the run. */
struct oracle *oracle_judge(const struct oracle_options *options);
void oracle_free(struct oracle *oracle);

size_t oracle_violation_count(const struct oracle *oracle);
struct oracle_violation oracle_violation_at(const struct oracle *oracle, size_t index);
/* How many of one check. */
size_t oracle_violations_of(const struct oracle *oracle, const char *check);
/* A line each. */
void oracle_report(const struct oracle *oracle, FILE *file);

/* For compare_views. `check` must be a literal. */
void oracle_tell(struct oracle *oracle, const char *check, const char *format, ...) PRINTF_LIKE(3, 4);

/* Whether the system has come to rest: order.unsettled and settled.* alone. Reads the whole log; not for every tick.
 * When it has not, one reason is appended to `ret_why` (may be NULL). */
bool oracle_is_settled(const struct oracle_options *options, struct buf *ret_why);

/* The history of the run for a checker of linearizability, as JSON lines: what was received, adjusted, reserved and
 * released when, as far as clients can tell (oracle_history.c says how a purchase becomes operations of its SKUs), and
 * what was answered under each key. */
void oracle_history_write(struct oracle *oracle, FILE *file);

/* ---- what a run saw ---------------------------------------------------------------------------------------------- */

enum { COVERAGE_TYPES_MAX = 128, COVERAGE_REJECTIONS_MAX = 128, COVERAGE_ANSWERS = 6, COVERAGE_CHANGES_MAX = 224 };

/* Plain numbers: of many runs they can be added up, and sent through a pipe. */
struct coverage {
    uint64_t runs;
    uint64_t events[COVERAGE_TYPES_MAX];                    /* by event type */
    uint64_t rejections[COVERAGE_REJECTIONS_MAX];           /* by enum rejection: outcomes and answers */
    uint64_t answers[COVERAGE_TYPES_MAX][COVERAGE_ANSWERS]; /* by command type and enum journal_answer: requests */
    uint64_t changes[COVERAGE_CHANGES_MAX];                 /* by row of the aggregates' tables of status changes */
    uint64_t aborted_records;
    uint64_t dead_letters;
};

const struct coverage *oracle_coverage(const struct oracle *oracle);
void coverage_add(struct coverage *sum, const struct coverage *one);
/* What was seen how often, and what was never seen. */
void coverage_write(const struct coverage *coverage, FILE *file);
