/* serve.c: `daybook serve`: all roles in one process, or those that --role names. */
#include "cmd/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cmd/confinement.h"
#include "cmd/core_files.h"
#include "cmd/descriptors.h"
#include "cmd/installation.h"
#include "cmd/links.h"
#include "core/base/logger.h"
#include "core/base/macros.h"
#include "core/base/timestamp.h"
#include "core/connect/connector.h"
#include "core/connect/errands.h"
#include "core/gateway/admin.h"
#include "core/gateway/gateway.h"
#include "core/gateway/webhook.h"
#include "core/handler/handler.h"
#include "projections/runtime/projector.h"

enum role { ROLE_GATEWAY = 1, ROLE_HANDLER = 2, ROLE_PROJECTOR = 4, ROLE_CONNECTOR = 8, ROLE_ALL = 15 };

static const struct {
    const char *name;
    enum role role;
} role_names[] = {
    {"gateway", ROLE_GATEWAY}, {"handler", ROLE_HANDLER}, {"projector", ROLE_PROJECTOR}, {"connector", ROLE_CONNECTOR}};

enum { PEERS_MAX = 4, CHECK_EVERY_S = 2 };

struct service {
    struct local_replies local_replies;   /* between handler and gateway */
    struct gateway_peer peers[PEERS_MAX]; /* what admin and gateway show of the others */
    size_t peer_count;
    struct handler *handler;
    struct projector *projector;
    struct connector *connector;
    struct errands *errands;
    struct gateway *gateway;
    struct admin *admin;
};

/* The set that "gateway,handler" names; 0 when a name in it is unknown, which is told. */
static unsigned parse_roles(const char *text) {
    unsigned roles = 0;
    struct str rest = str_of_cstr(text);
    for (;;) {
        struct str name = str_first(rest, str_find(rest, ','));
        unsigned found = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(role_names); i++) {
            if (str_equal(name, str_of_cstr(role_names[i].name))) {
                found = role_names[i].role;
            }
        }
        if (found == 0) {
            fprintf(stderr,
                    "daybook serve: there is no role '%.*s'; there are gateway, handler, projector, connector\n",
                    STR_ARGS(name));
            return 0;
        }
        roles |= found;
        if (name.len == rest.len) {
            return roles;
        }
        rest = str_from(rest, name.len + 1);
    }
}

static unsigned read_roles(int argc, char **argv) {
    if (argc == 1) {
        return ROLE_ALL;
    }
    if (argc == 3 && strcmp(argv[1], "--role") == 0) {
        return parse_roles(argv[2]);
    }
    if (strcmp(argv[1], "--role") == 0) {
        fprintf(stderr, "daybook serve: --role takes one list of roles, separated by commas\n");
    } else {
        fprintf(stderr, "daybook serve: there is no option '%s'\n", argv[1]);
    }
    fprintf(stderr, "usage: daybook [--config FILE] serve %s\n", serve_command.usage);
    return 0;
}

static void peer_handler_metrics(const void *peer, struct buf *out) {
    handler_metrics(peer, out);
}
static bool peer_handler_ready(const void *peer) {
    return handler_is_ready(peer);
}
static void peer_handler_describe(const void *peer, struct json_writer *writer) {
    handler_describe(peer, writer);
}
static void peer_projector_metrics(const void *peer, struct buf *out) {
    projector_metrics(peer, out);
}
static bool peer_projector_ready(const void *peer) {
    return projector_is_ready(peer);
}
static void peer_connector_metrics(const void *peer, struct buf *out) {
    connector_metrics(peer, out);
}
static bool peer_connector_ready(const void *peer) {
    return connector_is_ready(peer);
}
static void peer_errands_metrics(const void *peer, struct buf *out) {
    errands_metrics(peer, out);
}
static bool peer_errands_ready(const void *peer) {
    return errands_is_ready(peer);
}

static void peer_add(struct service *service, struct gateway_peer peer) {
    service->peers[service->peer_count++] = peer;
}

/* The front comes last, so that what it is asked finds the other roles there; what it cannot reach yet it reports. */
static enum err start(const struct config *config, unsigned roles, struct service *service, struct err_info *info) {
    enum err err = ERR_NONE;
    if (roles & ROLE_HANDLER) {
        err = handler_start(config, &service->local_replies, &service->handler, info);
        peer_add(service, (struct gateway_peer){"handler", peer_handler_metrics, peer_handler_ready,
                                                peer_handler_describe, service->handler});
    }
    if (err == ERR_NONE && (roles & ROLE_PROJECTOR)) {
        err = projector_start(config, &service->projector, info);
        peer_add(service, (struct gateway_peer){"projector", peer_projector_metrics, peer_projector_ready, NULL,
                                                service->projector});
    }
    if (err == ERR_NONE && (roles & ROLE_CONNECTOR)) {
        err = connector_start(config, &service->connector, info);
        peer_add(service, (struct gateway_peer){"connector", peer_connector_metrics, peer_connector_ready, NULL,
                                                service->connector});
    }
    if (err == ERR_NONE && (roles & ROLE_CONNECTOR)) {
        err = errands_start(config, &service->errands, info);
        peer_add(service,
                 (struct gateway_peer){"errands", peer_errands_metrics, peer_errands_ready, NULL, service->errands});
    }
    if (err == ERR_NONE && (roles & ROLE_GATEWAY)) {
        err = gateway_start(config, service->peers, service->peer_count, &service->local_replies, &service->gateway,
                            info);
    } else if (err == ERR_NONE && config->admin_port != 0) {
        err = admin_start(config, service->peers, service->peer_count, &service->admin, info);
    }
    return err;
}

/* In the order of the data: take nothing new, decide what was taken, then let the readers go. */
static void stop(struct service *service) {
    admin_stop(service->admin); /* it looks at the others */
    if (service->gateway != NULL) {
        gateway_stop(service->gateway);
    }
    if (service->connector != NULL) {
        connector_stop(service->connector);
    }
    if (service->errands != NULL) {
        errands_stop(service->errands);
    }
    if (service->handler != NULL) {
        handler_stop(service->handler);
    }
    if (service->projector != NULL) {
        projector_stop(service->projector);
    }
    local_replies_release(&service->local_replies);
}

/* Whether the log and the database are those of our settings, as far as they can be asked. What cannot be is told once,
 * and true is answered; false: this process must not go on. */
static bool check_installation(struct installation *installation, struct err_info *told) {
    struct err_info info = {0};
    enum err err = installation_check(installation, &info);
    if (err == ERR_CONFIG) {
        log_line(LOG_ERROR, "serve", "the settings are not those of this installation", LOG_CSTR("error", info.text));
        return false;
    }
    if (err != ERR_NONE && strcmp(info.text, told->text) != 0) {
        *told = info;
        log_line(LOG_WARN, "serve", "whether the settings are those of this installation cannot be asked yet",
                 LOG_CSTR("why", info.text));
    }
    return true;
}

/* Until a signal asks to stop. A shard that stands still (a broken history) is not the end of the others: health and
 * metrics name it. */
static int wait_for_end(struct installation *installation, struct err_info *told, const sigset_t *signals) {
    for (;;) {
        const struct timespec pause = {.tv_sec = CHECK_EVERY_S};
        bool is_checked = installation->log_is_ours && installation->keys_are_ours;
        int received = is_checked ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &pause);
        if (received > 0) {
            log_line(LOG_INFO, "serve", "stopping", LOG_CSTR("signal", received == SIGINT ? "INT" : "TERM"));
            return EXIT_DONE;
        }
        if (!is_checked && !check_installation(installation, told)) {
            return EXIT_WRONG_USAGE;
        }
    }
}

/* A front behind a proxy listens on the loopback as well: where it listens says nothing of who reaches it. */
static void warn_of_public_secret(const struct config *config) {
    if (!webhook_secret_is_usable(config)) {
        log_line(
            LOG_WARN, "serve",
            "webhooks are not taken: set provider_webhook_secret, as its default is public and anyone could forge a "
            "payment");
    }
}

static void forbid_core_files(const struct config *config) {
    if (!config->development && !core_files_forbid()) {
        log_line(LOG_WARN, "serve", "core files cannot be forbidden; a crash may leave secrets behind",
                 LOG_CSTR("why", strerror(errno)));
    }
}

/* What is open besides clients' connections: Kafka's, PostgreSQL's, LMDB's, and one or more of each call to a provider.
 */
enum { DESCRIPTORS_OF_OUR_OWN = 256 };

static void prepare_descriptors(const struct config *config, unsigned roles) {
    uint64_t limit = descriptors_raise();
    uint64_t wanted = DESCRIPTORS_OF_OUR_OWN;
    wanted += roles & ROLE_GATEWAY ? (uint64_t)config->http_connections_max : 0;
    wanted += roles & ROLE_CONNECTOR ? (uint64_t)config->provider_calls_max : 0;
    if (limit < wanted) {
        log_line(LOG_WARN, "serve",
                 "the limit of open files is too low for http_connections_max and provider_calls_max; raise the hard "
                 "limit (ulimit -Hn, or LimitNOFILE of the unit)",
                 LOG_INT("limit", limit), LOG_INT("wanted", wanted));
    }
}

/* EXIT_DONE, or with what the process ends. */
static int confine(const struct config *config, unsigned roles) {
    const struct confinement own = {.keeps_data = (roles & (ROLE_HANDLER | ROLE_PROJECTOR)) != 0,
                                    .has_front = (roles & ROLE_GATEWAY) != 0,
                                    .has_connector = (roles & ROLE_CONNECTOR) != 0};
    struct err_info info = {0};
    enum err err = confinement_enter(config, own, &info);
    if (err != ERR_NONE) {
        log_line(LOG_ERROR, "serve", "could not start", LOG_CSTR("error", info.text));
    }
    return err == ERR_NONE ? EXIT_DONE : err == ERR_CONFIG ? EXIT_WRONG_USAGE : EXIT_WORLD_FAILED;
}

static void block_signals(sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static int run(const struct config *config, int argc, char **argv) {
    unsigned roles = read_roles(argc, argv);
    if (roles == 0) {
        return EXIT_WRONG_USAGE;
    }
    /* Blocked here, before any thread starts, so that all threads leave the signals to wait_for_end. */
    sigset_t signals;
    block_signals(&signals);
    prepare_descriptors(config, roles);
    forbid_core_files(config);
    links_warn(config);
    if (roles & ROLE_GATEWAY) {
        warn_of_public_secret(config);
    }
    int confined = confine(config, roles);
    if (confined != EXIT_DONE) {
        return confined;
    }
    struct installation installation = installation_of(config, (roles & (ROLE_GATEWAY | ROLE_CONNECTOR)) != 0);
    struct err_info told = {0};
    if (!check_installation(&installation, &told)) {
        return EXIT_WRONG_USAGE;
    }
    struct service service = {0};
    local_replies_init(&service.local_replies);
    struct err_info info = {0};
    int code = EXIT_WORLD_FAILED;
    if (start(config, roles, &service, &info) != ERR_NONE) {
        log_line(LOG_ERROR, "serve", "could not start", LOG_CSTR("error", info.text));
        code = info.code == ERR_CONFIG ? EXIT_WRONG_USAGE : EXIT_WORLD_FAILED;
    } else {
        code = wait_for_end(&installation, &told, &signals);
    }
    stop(&service);
    return code;
}

const struct command_line serve_command = {
    .name = "serve",
    .usage = "[--role gateway,handler,projector,connector]",
    .summary = "run Daybook: all roles in one process, or those named",
    .help =
        "  --role LIST   run only these roles, separated by commas:\n"
        "                gateway    the HTTP front\n"
        "                handler    decides commands and appends events\n"
        "                projector  keeps the PostgreSQL read models up to date\n"
        "                connector  calls payment providers, sends mails, destroys keys of who is erased\n\n"
        "A process without the gateway serves /metrics and /health at the setting admin_port.\n"
        "The log and the database may be absent at the start: each role says so and tries again with backoff. When\n"
        "they answer, the setting shards, the secret and the master keys are compared with what they hold, and a\n"
        "difference ends the process. A shard whose history is broken stands still while the others go on: "
        "/health/ready and /metrics\n"
        "name it, and docs/operations.md says what to do.\n"
        "SIGTERM and SIGINT stop it in order. Root is refused, and a sandbox entered: docs/operations.md, \"As whom it "
        "runs\".\n\n"
        "Exit codes: 0 stopped by a signal, 1 it could not start, 2 wrong usage or configuration. The last line says "
        "what.",
    .run = run,
};
