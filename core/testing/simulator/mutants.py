"""mutants.py: whether the simulator bites. `make sim-mutants`.

Each mutant is the program with one promise's mechanism taken out. It is built in a copy of the tree and run under seed
after seed until one fails; a mutant that survives SEEDS of them fails the whole. At the end comes a table of the
seeds that each took and the checks that found it, for docs/testing.md. Text that a mutant wants to change and
does not find is an error: whoever changes that code says how to break it now.

Of views that are switched, skipped and tried again a run has too few to tell: their mutants are for the tests that do
nothing else, in the same world, and take a second each.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
COPY = ROOT / "build" / "mutants"
COPIED = ("core", "cmd", "projections", "schemas", "Makefile")
BUILT = ("gen", "codegen", "release")

BATCH = "core/handler/worker_batch.c"
COMMIT = "core/handler/worker_commit.c"
ORDER = "core/domain/order/order.c"
TAKEOVER = "core/handler/takeover.c"
REPLAY = "core/handler/replay.c"
SKU = "core/domain/sku/sku.c"
IDENTITY = "core/domain/identity/identity.c"
SESSIONS = "core/domain/customer/sessions.c"
ERRANDS = "core/connect/errand_work.c"
WRITER = "projections/runtime/writer.c"
RETRY = "projections/runtime/retry.c"
SCHEMA = "projections/runtime/schema.c"
SWITCH_TEST = "build/release/core/testing/simulator/views_switch_test"
PARKING_TEST = "build/release/core/testing/simulator/views_parking_test"

# Before the fence, whoever writes to the live tables makes their epoch his own.
NO_EPOCH = (
    """    enum err failure = write_all(writer, batch, fold, moves, move_count, notify, info);
""",
    """    struct view_about now;
    if (view_schema_about(writer->session, writer->view->name, &now, NULL) == ERR_NONE && now.is_there) {
        snprintf(writer->epoch, sizeof writer->epoch, "%s", now.epoch);
    }
""",
)

WITHOUT_BARRIER = (TAKEOVER, "    int64_t least = takeover->options.ends_least[topic];\n", "    int64_t least = 0;\n")

# name: the changes, each (file, what stands there once, what stands there instead)
MUTANTS = {
    "restore-to-the-last-stable-offset": [
        ("core/log/reader.c", "    if (reader->isolation == LOG_READ_COMMITTED) {\n", "    if (false) {\n"),
        WITHOUT_BARRIER,
    ],
    "an-old-leaders-end-is-believed": [WITHOUT_BARRIER],
    "offsets-of-the-shards-read-from-alone": [
        (
            COMMIT,
            "(shard->batch_next_offset >= 0 || engine_wrote(&worker->engine, (int32_t)i))",
            "shard->batch_next_offset >= 0",
        ),
        (COMMIT, "    if (offsets->cnt > 0) {\n        err = log_txn_is_open", "    if (offsets->cnt > 0 || log_txn_is_open(worker->txn)) {\n        err = log_txn_is_open"),
        (COMMIT, "if (err != ERR_NONE || offsets->cnt == 0) {", "if (err != ERR_NONE || !log_txn_is_open(worker->txn)) {"),
        ("core/log/txn.c", "    assert(end->offsets->cnt > 0);\n", ""),
    ],
    "a-store-ahead-of-a-truncated-log": [
        (REPLAY, "        fits = false; /* past the end */\n", "        source->begin = range.high;\n"),
        (REPLAY, "        if (!is_last_applied(replay, source, record)) {", "        if (false && !is_last_applied(replay, source, record)) {"),
    ],
    "outcomes-not-replayed": [
        ("core/handler/fold.c", "err = foreign ? ERR_NONE : fold_outcome(", "err = foreign || true ? ERR_NONE : fold_outcome("),
    ],
    "standby-goes-on-after-the-takeover": [
        (
            "core/handler/standbys.c",
            "struct store *store = standby->store == NULL ? NULL : replay_ended(standbys, standby);",
            "struct store *store = standby->store;",
        ),
    ],
    "reply-before-commit": [
        (COMMIT, "    log_txn_seal(worker->txn);\n", "    (void)replies_send(worker);\n    log_txn_seal(worker->txn);\n"),
    ],
    "store-written-before-commit": [
        (
            COMMIT,
            "    log_txn_seal(worker->txn);\n",
            "    struct sealed_batch sealed = worker->engine.sealed;\n"
            "    engine_batch_landed(&worker->engine);\n"
            "    stores_write(worker);\n"
            "    worker->engine.sealed = sealed;\n"
            "    log_txn_seal(worker->txn);\n",
        ),
        (BATCH, "        if (is_full || committer_is_over(", "        if (true || committer_is_over("),
    ],
    "next-batch-sent-before-the-last-is-taken": [
        (BATCH, "    return !batch_is_on_its_way(worker) || committer_is_taken(", "    return true || committer_is_taken("),
    ],
    "next-batch-goes-on-when-the-last-has-failed": [
        (
            COMMIT,
            "    worker->sealed = (struct batch_on_its_way){0};\n    return err;\n",
            "    worker->sealed = (struct batch_on_its_way){0};\n    return err == ERR_IN_DOUBT ? err : ERR_NONE;\n",
        ),
        (COMMIT, "        engine_batch_failed(&worker->engine);\n    }\n    rd_kafka", "        engine_batch_landed(&worker->engine);\n    }\n    rd_kafka"),
    ],
    "hand-over-writes-what-did-not-land": [
        ("core/handler/worker_shards.c", "bool stands = err == ERR_NONE;", "bool stands = true;"),
        ("core/handler/engine.c", " && !owned->failed);", ");"),
    ],
    "ownership-not-looked-at": [
        ("core/domain/actor.c", "        return has_customer && str_equal(who.id, customer);\n", "        return true;\n"),
    ],
    "claim-not-refused": [
        (IDENTITY, "    if (!str_is_empty(state->customer) && !str_equal(state->customer, ask->customer)) {\n", "    if (false) {\n"),
    ],
    "reuse-goes-on": [
        (SESSIONS, "    if (ask->generation < session->generation) {\n", "    if (false) {\n"),
        (SESSIONS, "        .generation = session->generation + 1,\n", "        .generation = ask->generation + 1,\n"),
    ],
    "ended-with-all-others-goes-on": [
        (SESSIONS, "session->status == SESSION_STATUS_OPEN &&\n           !was_ended(state, number);", "session->status == SESSION_STATUS_OPEN;"),
    ],
    "lockout-by-gateway": [
        (
            "core/domain/customer/proof.c",
            "    if (decision->now_us < (proof->within ? state->proof_locked_until : state->locked_until)) {\n",
            "    if (false) {\n",
        ),
    ],
    "release-of-anothers-claim": [
        (
            IDENTITY,
            "    if (!str_is_empty(state->customer) && str_equal(state->customer, ask->customer) && state->claim == ask->claim) {\n",
            "    if (!str_is_empty(state->customer)) {\n",
        ),
    ],
    "code-not-asked-for": [
        ("core/domain/customer/proof.c", "    if (state->totp != TOTP_STATUS_ON) {\n", "    if (true) {\n"),
    ],
    "suspended-with-open-sessions": [
        ("core/domain/customer/house.c", '    (void)customer_end_sessions(state, 0, STR("suspended"), decision);\n', ""),
    ],
    "two-rotations-of-a-key": [
        ("core/domain/apikey/apikey.c", "    if (ask->generation != state->generation + 1) {", "    if (false) {"),
    ],
    "erasure-before-decide": [
        (
            "core/domain/customer/house.c",
            "    case CUSTOMER_STATUS_ACTIVE:\n        return REJECT_UNKNOWN_CUSTOMER; /* nobody asked for it */\n",
            "    case CUSTOMER_STATUS_ACTIVE:\n",
        ),
    ],
    "offset-past-what-is-open": [
        ("core/connect/open_errands.c", "    int64_t offset = open->first != NULL ? open->first->offset : open->applied_offset + 1;\n", "    int64_t offset = open->applied_offset + 1;\n"),
    ],
    "erasure-told-before-keys-are-gone": [
        (ERRANDS, "    } else if (err == ERR_NONE) {\n        tell(errands, errand);\n", "    } else if (err != ERR_CONFIG) {\n        tell(errands, errand);\n"),
    ],
    "mail-taken-for-sent-when-put-off": [
        (ERRANDS, "        try_again(errands, errand, result->code, result->why);\n        break;\n", '        decide_mail(errands, errand, "sent", result->code);\n        break;\n'),
        (ERRANDS, "static void try_again(", "__attribute__((unused)) static void try_again("),
    ],
    "another-message-id-on-retry": [
        ("core/connect/mails.c", 'return arena_printf(arena, "<%.*s@%.*s>", STR_ARGS(cause), STR_ARGS(domain));', 'static int tries;\n    return arena_printf(arena, "<%.*s.%d@%.*s>", STR_ARGS(cause), ++tries, STR_ARGS(domain));'),
    ],
    "release-twice": [
        (
            SKU,
            "    if (reservation->status == RESERVATION_STATUS_RELEASED) {\n        return ACCEPTED;\n    }\n    int64_t units",
            "    int64_t units",
        ),
    ],
    "release-before-reserve-is-forgotten": [
        (
            SKU,
            '        refuse_reservation(ask, quantity, available, STR("released"), decision);\n        return ACCEPTED;\n',
            "        break;\n",
        ),
    ],
    "another-provider-key-on-retry": [
        (
            "core/connect/http_provider.c",
            'snprintf(key, sizeof key, "Idempotency-Key: %s", intent->key);',
            "static int tries;\n"
            '    snprintf(key, sizeof key, "Idempotency-Key: %s.%d", intent->key, ++tries);',
        ),
    ],
    "position-outside-the-rows-transaction": [
        (
            WRITER,
            "    send_moves(writer, &pipeline, moves, move_count);\n    send_tables(",
            "    send_moves(writer, &pipeline, moves, move_count);\n"
            "    int64_t moved[2];\n"
            "    enum err early = pg_pipeline_end(&pipeline, moved, ARRAY_LENGTH(moved), info);\n"
            '    early = early == ERR_NONE ? pg_session_exec(writer->session, "COMMIT", info) : early;\n'
            "    if (early != ERR_NONE) {\n        return early;\n    }\n"
            "    pg_pipeline_begin(&pipeline, writer->session);\n"
            '    pg_pipeline_send(&pipeline, "begin", NULL, 0);\n'
            "    send_tables(",
        ),
        (WRITER, "bool fence_was_told = rows[1] >= 0;", "bool fence_was_told = false;"),
    ],
    "position-not-fenced": [
        (WRITER, "if (fence_was_told && rows[1] != (int64_t)move_count) {", "if (fence_was_told && rows[1] < 0) {"),
    ],
    "generation-of-now-rather-than-of-the-assignment": [
        ("core/handler/group.c", "    return group->metadata;\n", "    return rd_kafka_consumer_group_metadata(group->consumer);\n"),
    ],
    "commit-sent-twice-is-no-doubt": [
        (
            "core/log/txn.c",
            "    if (atomic_load(&producer->end_txn_sent) != 1) {\n        return doubt(",
            "    if (atomic_load(&producer->end_txn_sent) == 0) {\n        return doubt(",
        ),
    ],
    "timer-does-not-look-again": [
        (
            "core/handler/engine.c",
            "if (err == ERR_NONE && stream->deadline_us == due.items[i].deadline_us) {",
            "if (err == ERR_NONE) {",
        ),
        (
            ORDER,
            "    case ORDER_STATUS_AWAITING_PAYMENT:\n        if (is_past_deadline(state, decision)) {\n            cancel_unpaid",
            "    case ORDER_STATUS_AWAITING_PAYMENT:\n    case ORDER_STATUS_PAYING:\n    case ORDER_STATUS_CONFIRMED:\n"
            "        if (true) {\n            cancel_unpaid",
        ),
        (
            ORDER,
            "        return ACCEPTED;\n    case ORDER_STATUS_PAYING:\n    case ORDER_STATUS_CONFIRMED:\n    case ORDER_STATUS_REJECTED:\n"
            "    case ORDER_STATUS_CANCELLED:\n        return ACCEPTED;\n    }\n    return REJECT_UNKNOWN_ORDER;\n}\n\n"
            "/* ---- decide: paying",
            "        return ACCEPTED;\n    case ORDER_STATUS_REJECTED:\n"
            "    case ORDER_STATUS_CANCELLED:\n        return ACCEPTED;\n    }\n    return REJECT_UNKNOWN_ORDER;\n}\n\n"
            "/* ---- decide: paying",
        ),
    ],
    "hold-expires-under-a-payment": [
        (
            ORDER,
            "bool waits = state->status == ORDER_STATUS_PLACED ||",
            "bool waits = state->status == ORDER_STATUS_PLACED || state->status == ORDER_STATUS_PAYING ||",
        ),
        (
            ORDER,
            "    case ORDER_STATUS_AWAITING_PAYMENT:\n        if (is_past_deadline(state, decision)) {",
            "    case ORDER_STATUS_AWAITING_PAYMENT:\n    case ORDER_STATUS_PAYING:\n        if (is_past_deadline(state, decision)) {",
        ),
        (
            ORDER,
            "    case ORDER_STATUS_PAYING:\n    case ORDER_STATUS_CONFIRMED:\n    case ORDER_STATUS_REJECTED:\n"
            "    case ORDER_STATUS_CANCELLED:\n        return ACCEPTED;\n    }\n    return REJECT_UNKNOWN_ORDER;\n}\n\n"
            "/* ---- decide: paying",
            "    case ORDER_STATUS_CONFIRMED:\n    case ORDER_STATUS_REJECTED:\n"
            "    case ORDER_STATUS_CANCELLED:\n        return ACCEPTED;\n    }\n    return REJECT_UNKNOWN_ORDER;\n}\n\n"
            "/* ---- decide: paying",
        ),
    ],
    "created-id-not-derived-from-the-key": [
        (
            "core/gateway/identity.c",
            '    struct str bare = derived_id(arena, secret, "", command_id, "stream", parts, 2);',
            '    const struct str chance[] = {prefix, identity_fresh(arena, STR(""), 0)};\n'
            '    const struct str *drawn = str_is_empty(parts[0]) ? parts : chance;\n'
            '    struct str bare = derived_id(arena, secret, "", command_id, "stream", drawn, 2);',
        ),
    ],
    "no-view-of-a-crashed-server": [
        ("projections/runtime/feed.c", "    enum err failure = pg_session_check(feed->session, info);\n", "    enum err failure = ERR_NONE;\n"),
    ],
    "wrong-time-is-kept": [
        (BATCH, "if (shard_clock_mend(&shard->clock, wall_us, boot_us)) {", "if (false) {"),
    ],
}

# name: the test program, and the changes as above
TESTED = {
    "older-programs-follow-the-live-schema": [
        SWITCH_TEST,
        ("projections/runtime/feed.c", "    return feed->about.is_there && feed->about.format == feed->view->format;\n", "    return feed->about.is_there;\n"),
    ],
    "a-switched-schema-keeps-its-projector": [
        SWITCH_TEST,
        (WRITER, NO_EPOCH[0], NO_EPOCH[1] + NO_EPOCH[0]),
    ],
    "a-switch-without-meeting": [
        SWITCH_TEST,
        ("projections/runtime/switch.c", "    failure = failure == ERR_NONE ? meeting_hold(&meeting, false, info) : failure;\n", ""),
    ],
    "a-comparison-at-two-places": [
        SWITCH_TEST,
        ("projections/runtime/meeting.c", "    return sum_apart(meeting, false) == 0 && !(exactly && sum_apart(meeting, true) > 0);\n", "    return sum_apart(meeting, false) == 0 || exactly;\n"),
    ],
    "a-drop-by-a-name-of-before": [
        SWITCH_TEST,
        (SCHEMA, "    failure = failure != ERR_NONE ? failure : hold_name(session, schema, info);\n", ""),
    ],
    "two-fill-one-schema": [
        SWITCH_TEST,
        (SCHEMA, "        *ret_is_ours = pg_get_bool(result, 0, 0);\n", "        *ret_is_ours = true;\n"),
    ],
    "a-quiet-feed-does-not-look": [
        SWITCH_TEST,
        ("projections/runtime/feed.c", "    return feed_is_outdated(feed)\n", "    return false\n"),
    ],
    "a-retry-draws-no-epoch": [
        PARKING_TEST,
        (RETRY, 'freed > 0 ? VIEW_NEW_EPOCH "; COMMIT" : "COMMIT"', 'freed > 0 ? "COMMIT" : "COMMIT"'),
    ],
    "a-retry-forgets-what-came-meanwhile": [
        PARKING_TEST,
        (RETRY, "    failure = failure == ERR_NONE ? keep_those_with_more(retry, fold, info) : failure;\n", ""),
        (RETRY, "static enum err keep_those_with_more(", "__attribute__((unused)) static enum err keep_those_with_more("),
    ],
    "a-retry-with-skips-of-before": [
        PARKING_TEST,
        (RETRY, "    if (strcmp(about->epoch, retry->epoch) == 0) {\n", "    if (retry->epoch[0] != 0) {\n"),
    ],
    "a-skip-of-a-later-event": [
        PARKING_TEST,
        ("projections/runtime/parking.c", "    return next == decision->version\n", "    return true\n"),
    ],
    "a-rebuild-without-skips": [
        PARKING_TEST,
        ("projections/runtime/rebuild.c", "    if (failure != ERR_NONE || options->forgets_skips) {\n", "    if (true) {\n"),
    ],
    "a-refused-event-behind-a-skipped-one": [
        PARKING_TEST,
        ("projections/runtime/fold.c", "    pass_skipped(fold, fold->items[0].stream, fold->items[0].event.meta.version);\n", ""),
    ],
    "a-shard-stands-still-unseen": [
        PARKING_TEST,
        ("projections/runtime/projector.c", "        } else if (now_us - watch->since_us >", "        } else if (false && now_us - watch->since_us >"),
    ],
    "a-view-ahead-of-the-log-is-well": [
        PARKING_TEST,
        ("projections/runtime/projector.c", "        is_past_end = is_past_end || end < stood_at;\n", ""),
    ],
}


def changed(changes):
    """The files as they are, after writing them as the mutant has them."""
    before = {}
    for name, old, new in changes:
        path = COPY / name
        text = path.read_text()
        before.setdefault(path, text)
        if text.count(old) != 1:
            sys.exit(f"{name} has {text.count(old)} places that are to be changed, not 1:\n{old}")
        path.write_text(text.replace(old, new))
    return before


def tree_made():
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, COPY / name)
    (COPY / "build").mkdir()
    for name in BUILT:
        source = ROOT / "build" / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, COPY / "build" / name)


def hunted(seeds, jobs):
    """(the first failing seed or None, what was found)"""
    run = subprocess.run(
        [COPY / "build/release/simulator", "--from", "1", "--count", str(seeds), "--jobs", str(jobs), "--stop"],
        capture_output=True, text=True, cwd=COPY, check=False,
    )
    failed = [int(seed) for seed in re.findall(r"^seed (\d+):", run.stdout, re.MULTILINE)]
    checks = sorted(set(re.findall(r"^VIOLATION (\S+)", run.stderr, re.MULTILINE)))
    if "DIED" in run.stdout:
        checks.append("an assertion")
    return (min(failed) if failed else None, ", ".join(checks))


def fails(program):
    """Whether the test fails, once it is built."""
    subprocess.run(["make", "-s", program, "WARNINGS=-w"], cwd=COPY, check=True, stdout=subprocess.DEVNULL)
    run = subprocess.run([COPY / program], capture_output=True, text=True, cwd=COPY, check=False, timeout=600)
    return run.returncode != 0, ", ".join(sorted(set(re.findall(r"^\[  FAILED  \] ([a-z]\w+)$", run.stderr + run.stdout, re.MULTILINE))))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3000, help="a mutant that survives so many is not found")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("names", nargs="*", help="these alone")
    options = parser.parse_args()
    tree_made()
    rows = []
    for name in (name for name in TESTED if not options.names or name in options.names):
        program, *changes = TESTED[name]
        before = changed(changes)
        is_found, tests = fails(program)
        rows.append((name, "by a test" if is_found else "**not found**", tests))
        print(f"{name:50} {'found' if is_found else 'NOT FOUND':12} {tests}", flush=True)
        for path, text in before.items():
            path.write_text(text)
    for name in (name for name in MUTANTS if not options.names or name in options.names):
        before = changed(MUTANTS[name])
        subprocess.run(["make", "-s", "build/release/simulator", "WARNINGS=-w"], cwd=COPY, check=True, stdout=subprocess.DEVNULL)
        seed, found = hunted(options.seeds, options.jobs)
        rows.append((name, "**not found**" if seed is None else str(seed), found))
        print(f"{name:50} {'NOT FOUND' if seed is None else f'seed {seed}':12} {found}", flush=True)
        for path, text in before.items():
            path.write_text(text)
    survivors = sum(seed.startswith("*") for _, seed, _ in rows)
    print("\n| mutant | seeds needed | checks that found it |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(f"\n{len(rows)} mutants, {survivors} not found")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
