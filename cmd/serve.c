/* serve.c: `daybook serve`: all roles in one process, or those that --role names. */
#include "cmd/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cmd/descriptors.h"
#include "core/base/logger.h"
#include "core/base/macros.h"
#include "core/connect/connector.h"
#include "core/gateway/gateway.h"
#include "core/handler/handler.h"
#include "projections/runtime/projector.h"

enum role { ROLE_GATEWAY = 1, ROLE_HANDLER = 2, ROLE_PROJECTOR = 4, ROLE_CONNECTOR = 8, ROLE_ALL = 15 };

static const struct {
    const char *name;
    enum role role;
} role_names[] = {
    {"gateway", ROLE_GATEWAY}, {"handler", ROLE_HANDLER}, {"projector", ROLE_PROJECTOR}, {"connector", ROLE_CONNECTOR}};

struct service {
    struct handler *handler;
    struct projector *projector;
    struct connector *connector;
    struct gateway *gateway;
};

/* The set that "gateway,handler" names; 0 when a name in it is unknown. */
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
            return 0;
        }
        roles |= found;
        if (name.len == rest.len) {
            return roles;
        }
        rest = str_from(rest, name.len + 1);
    }
}

static void peer_handler_metrics(const void *peer, struct buf *out) {
    handler_metrics(peer, out);
}
static bool peer_handler_ready(const void *peer) {
    return handler_is_ready(peer);
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

/* The front comes last, so that what it is asked finds the other roles there; what it cannot reach yet it reports. */
static enum err start(const struct config *config, unsigned roles, struct service *service, struct err_info *info) {
    struct gateway_peer peers[3];
    size_t peer_count = 0;
    enum err err = ERR_NONE;
    if (roles & ROLE_HANDLER) {
        err = handler_start(config, &service->handler, info);
        peers[peer_count++] =
            (struct gateway_peer){"handler", peer_handler_metrics, peer_handler_ready, service->handler};
    }
    if (err == ERR_NONE && (roles & ROLE_PROJECTOR)) {
        err = projector_start(config, &service->projector, info);
        peers[peer_count++] =
            (struct gateway_peer){"projector", peer_projector_metrics, peer_projector_ready, service->projector};
    }
    if (err == ERR_NONE && (roles & ROLE_CONNECTOR)) {
        err = connector_start(config, &service->connector, info);
        peers[peer_count++] =
            (struct gateway_peer){"connector", peer_connector_metrics, peer_connector_ready, service->connector};
    }
    if (err == ERR_NONE && (roles & ROLE_GATEWAY)) {
        err = gateway_start(config, peers, peer_count, &service->gateway, info);
    }
    return err;
}

/* In the order of the data: take nothing new, decide what was taken, then let the readers go. */
static void stop(struct service *service) {
    if (service->gateway != NULL) {
        gateway_stop(service->gateway);
    }
    if (service->connector != NULL) {
        connector_stop(service->connector);
    }
    if (service->handler != NULL) {
        handler_stop(service->handler);
    }
    if (service->projector != NULL) {
        projector_stop(service->projector);
    }
}

/* Until a signal asks to stop, or a role met something that needs a person. Looks at the roles once a second. */
static int wait_for_end(const struct service *service, const sigset_t *signals) {
    for (;;) {
        const struct timespec second = {.tv_sec = 1};
        int received = sigtimedwait(signals, NULL, &second);
        if (received > 0) {
            log_line(LOG_INFO, "serve", "stopping", LOG_CSTR("signal", received == SIGINT ? "INT" : "TERM"));
            return EXIT_DONE;
        }
        struct err_info info = {0};
        if (service->handler != NULL && handler_has_failed(service->handler, &info)) {
            log_line(LOG_ERROR, "serve", "the handler stopped", LOG_CSTR("error", info.text));
            return EXIT_WORLD_FAILED;
        }
    }
}

/* Where the secret is the one that stands in the source, anyone who reaches the front can tell it that an order is
 * paid. */
static void warn_of_public_secret(const struct config *config) {
    struct str host = str_of_cstr(config->http_host);
    bool is_loopback =
        str_starts_with(host, STR("127.")) || str_equal(host, STR("::1")) || str_equal(host, STR("localhost"));
    if (!is_loopback && config_is_default(config, "provider_webhook_secret")) {
        log_line(LOG_WARN, "serve",
                 "provider_webhook_secret is the public default, and the front can be reached from elsewhere: anyone "
                 "there can forge a payment",
                 LOG_CSTR("host", config->http_host));
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

static int run(const struct config *config, int argc, char **argv) {
    unsigned roles = ROLE_ALL;
    if (argc == 3 && strcmp(argv[1], "--role") == 0) {
        roles = parse_roles(argv[2]);
    } else if (argc != 1) {
        roles = 0;
    }
    if (roles == 0) {
        fputs("usage: daybook serve [--role gateway,handler,projector,connector]\n", stderr);
        return EXIT_WRONG_USAGE;
    }
    /* Blocked here, before any thread starts, so that all threads leave the signals to wait_for_end. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    prepare_descriptors(config, roles);
    if (roles & ROLE_GATEWAY) {
        warn_of_public_secret(config);
    }

    struct service service = {0};
    struct err_info info = {0};
    int code = EXIT_WORLD_FAILED;
    if (start(config, roles, &service, &info) != ERR_NONE) {
        log_line(LOG_ERROR, "serve", "could not start", LOG_CSTR("error", info.text));
        code = info.code == ERR_CONFIG ? EXIT_WRONG_USAGE : EXIT_WORLD_FAILED;
    } else {
        if (service.gateway != NULL) {
            log_line(LOG_INFO, "serve", "listening", LOG_CSTR("host", config->http_host),
                     LOG_INT("port", gateway_port(service.gateway)));
        }
        code = wait_for_end(&service, &signals);
    }
    stop(&service);
    return code;
}

const struct command_line serve_command = {
    .name = "serve",
    .usage = "[--role gateway,handler,projector,connector]",
    .summary = "run Daybook: all roles in one process, or those named",
    .help = "  --role LIST   run only these roles, separated by commas:\n"
            "                gateway    the HTTP front\n"
            "                handler    decides commands and appends events\n"
            "                projector  keeps the PostgreSQL read models up to date\n"
            "                connector  calls payment providers\n\n"
            "The log and the database may be absent at the start: each role says so and tries again with backoff.\n"
            "SIGTERM and SIGINT stop it in order. Exit code 1 means that something needs a person: the last line says "
            "what.",
    .run = run,
};
