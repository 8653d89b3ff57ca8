/* load.c: `daybook load`: traffic from a file, paced, repeated until it is answered, and written down. */
#include "cmd/command.h"

#include <signal.h>
#include <sodium.h>
#include <stdlib.h>

#include "cmd/descriptors.h"
#include "cmd/load_kinds.h"
#include "cmd/load_run.h"
#include "core/base/timestamp.h"

struct stop_signals {
    uv_signal_t handles[2];
    struct load_run *run;
};

static void on_signal(uv_signal_t *handle, int number) {
    (void)number;
    struct stop_signals *signals = handle->data;
    fputs("\nstopping: waiting for what is in flight\n", stderr);
    load_run_stop(signals->run);
}

static void listen_to_signals(uv_loop_t *loop, struct stop_signals *signals, struct load_run *run) {
    static const int NUMBERS[] = {SIGINT, SIGTERM};
    signals->run = run;
    for (size_t i = 0; i < ARRAY_LENGTH(NUMBERS); i++) {
        uv_signal_init(loop, &signals->handles[i]);
        signals->handles[i].data = signals;
        uv_signal_start(&signals->handles[i], on_signal, NUMBERS[i]);
        uv_unref((uv_handle_t *)&signals->handles[i]); /* the run's end is the loop's end */
    }
}

static enum err run_load(const struct load_options *options, struct load_report *report, struct load_journal *journal,
                         struct err_info *info) {
    uv_loop_t loop;
    struct load_run *run = NULL;
    struct stop_signals signals;
    uv_loop_init(&loop);
    enum err err = load_run_start(&loop, options, report, journal, &run, info);
    if (err == ERR_NONE) {
        listen_to_signals(&loop, &signals, run);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    if (err == ERR_NONE) {
        for (size_t i = 0; i < ARRAY_LENGTH(signals.handles); i++) {
            uv_close((uv_handle_t *)&signals.handles[i], NULL);
        }
        uv_run(&loop, UV_RUN_DEFAULT);
        err = load_run_finish(run, info);
    }
    uv_loop_close(&loop);
    return err;
}

static enum err load(const struct load_options *options, struct load_report *report, struct err_info *info) {
    struct load_journal journal;
    bool has_journal = options->journal != NULL;
    if (has_journal) {
        enum err err = load_journal_open(&journal, options->journal, options->resumes, info);
        if (err != ERR_NONE) {
            return err;
        }
    }
    enum err err = run_load(options, report, has_journal ? &journal : NULL, info);
    struct err_info closing = {0};
    if (has_journal && load_journal_close(&journal, &closing) != ERR_NONE && err == ERR_NONE) {
        *info = closing;
        err = closing.code;
    }
    if (report->ended_us == 0) {
        return err; /* it never began */
    }
    load_report_progress(report, report->ended_us, 1, true);
    load_report_print(report, stdout);
    if (options->report != NULL && err == ERR_NONE) {
        err = load_report_write(report, options->report, info);
    }
    return err;
}

static int run(const struct config *config, int argc, char **argv) {
    (void)config;
    struct load_options options;
    struct err_info info = {0};
    if (load_options_read(argc, argv, &options, &info) != ERR_NONE) {
        fprintf(stderr, "daybook load: %s\n", info.text);
        return EXIT_WRONG_USAGE;
    }
    if (sodium_init() < 0) {
        fputs("daybook load: libsodium cannot start\n", stderr);
        return EXIT_WORLD_FAILED;
    }
    (void)descriptors_raise(); /* every item in flight has a connection */
    struct load_report *report =
        load_report_create(&options, load_kind_rules(options.kind)->item_name, clock_boot_us());
    enum err err = load(&options, report, &info);
    int code = EXIT_DONE;
    if (err != ERR_NONE) {
        fprintf(stderr, "daybook load: %s\n", info.text);
        code = err == ERR_CONFIG ? EXIT_WRONG_USAGE : EXIT_WORLD_FAILED;
    } else if (report->items_unknown > 0) {
        code = EXIT_WORLD_FAILED;
    }
    free(report);
    return code;
}

const struct command_line load_command = {
    .name = "load",
    .usage = "FILE [--url URL] [--kind KIND] [--closed N | --rate R] [OPTIONS]",
    .summary = "send traffic from a file of products, stock or baskets, and measure it",
    .help =
        "FILE holds one JSON object a line. What a line is depends on --kind:\n"
        "  products      {\"title\", \"categories\", \"variants\": [{\"sku\", \"price\"}], \"publish\": true}\n"
        "  stock         {\"sku\", \"location\", \"quantity\"}\n"
        "  baskets       {\"reference\", \"currency\", \"lines\": [{\"sku\", \"quantity\"}], \"payment\"?, \"email\"?} "
        "(default)\n"
        "  carts         baskets again: their carts are made, and left\n"
        "  checkouts     an entry of the journal of `carts`: its cart is checked out\n"
        "  cart-updates  baskets again: a cart is opened for each, then its lines are set over and over\n"
        "  reads         an id (ord_..., prod_..., cart_..., pay_...), a path, or an entry of a journal\n"
        "\n"
        "Pace\n"
        "  --closed N           N items in flight, each followed by the next (default: 64)\n"
        "  --rate R             R items a second, whether or not the server keeps up; latencies count from when an "
        "item\n"
        "                       was due (corrected for coordinated omission); --in-flight bounds them (default: 512)\n"
        "  --rotate             all connections in turn, as of people who each act now and then, not few kept busy:\n"
        "                       with --in-flight 10000 --rate 2500 each acts every 4 s\n"
        "  --connect-first      the time begins when all connections are open (GET /health/live on each)\n"
        "  --duration S         starts nothing after S seconds\n"
        "  --max N              starts N items at most\n"
        "\n"
        "What is sent\n"
        "  --url URL            http:// or https://; default http://127.0.0.1:8080\n"
        "  --ca FILE            of https: the authorities (PEM) of which one has signed the server's certificate;\n"
        "                       default: the system's\n"
        "  --bearer-file FILE   who sends it: an access token or API key a line (Authorization: Bearer), or - for a\n"
        "                       guest, which the lines of items take in turn; an entry of a journal stays with who\n"
        "                       sent it. Default: nobody who is known\n"
        "  --payment P:METHOD   for baskets that name no payment (default: test:approve)\n"
        "  --keyless-carts      carts are opened without an Idempotency-Key, as shops' pages do it: their ids are in "
        "the "
        "order\n"
        "                       of time. One whose answer was lost is left behind\n"
        "  --salt TEXT          part of every Idempotency-Key; with another one the same file is new requests\n"
        "  --timeout-ms MS      of one attempt (default: 15000)\n"
        "  --retry-seconds S    how long a request is repeated after 503, 429, 5xx or a lost connection, always with "
        "the\n"
        "                       same Idempotency-Key, before its outcome is given up as unknown (default: 60)\n"
        "\n"
        "What is written\n"
        "  --journal FILE       a line an item: what was sent, what was answered; on the disk when load ends\n"
        "  --resume             leaves out what the journal says is decided\n"
        "  --again              what the journal says is not decided comes again at the file's end, with its key;\n"
        "                       needs --duration or --max\n"
        "  --report FILE        counts and percentiles as JSON\n"
        "\n"
        "Exit codes: 0 every item has an outcome (refusals are outcomes; the report counts them), 1 an outcome is "
        "unknown\n"
        "or a file failed, 2 wrong usage.",
    .run = run,
    .is_apart = true,
};
