#include "core/testing/simulator/node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/connect/connector.h"
#include "core/connect/errands.h"
#include "core/handler/handler.h"
#include "core/testing/simulator/files.h"
#include "projections/runtime/projector.h"

struct node nodes[NODES_MAX];
size_t node_count;

/* ---- what runs --------------------------------------------------------------------------------------------------- */

static void stop_await(struct node *node) {
    while (!node->must_stop) {
        sim_wait(&node->must_stop, -1);
    }
}

static void give_up(const struct node *node, const struct err_info *info) {
    fprintf(stderr, "%s could not start: %s\n", node->name, info->text);
    abort();
}

static void handler_main(struct node *node) {
    struct err_info info = {0};
    struct handler *handler;
    if (handler_start(&node->config, NULL, &handler, &info) != ERR_NONE) {
        give_up(node, &info);
    }
    stop_await(node);
    handler_stop(handler);
}

static void projector_main(struct node *node) {
    struct err_info info = {0};
    struct projector *projector;
    if (projector_start(&node->config, &projector, &info) != ERR_NONE) {
        give_up(node, &info);
    }
    stop_await(node);
    projector_stop(projector);
}

static void connector_main(struct node *node) {
    struct err_info info = {0};
    struct connector *connector;
    struct errands *errands;
    if (connector_start(&node->config, &connector, &info) != ERR_NONE ||
        errands_start(&node->config, &errands, &info) != ERR_NONE) {
        give_up(node, &info);
    }
    stop_await(node);
    connector_stop(connector);
    errands_stop(errands);
}

static void node_main(void *context) {
    struct node *node = context;
    switch (node->kind) {
    case NODE_HANDLER:
        handler_main(node);
        break;
    case NODE_PROJECTOR:
        projector_main(node);
        break;
    case NODE_CONNECTOR:
        connector_main(node);
        break;
    }
}

/* ---- its files --------------------------------------------------------------------------------------------------- */

static void folder_make(struct node *node) {
    char former[NODE_PATH_MAX];
    memcpy(former, node->dir, sizeof former);
    char *slash = strrchr(node->dir, '/');
    int length =
        snprintf(slash + 1, NODE_PATH_MAX - (size_t)(slash + 1 - node->dir), "%s-%d", node->name, node->incarnation);
    assert(length > 0);
    bool is_first = node->incarnation == 1 || node->loses_store;
    if (is_first) {
        int made = mkdir(node->dir, 0700);
        assert(made == 0);
    } else {
        files_copy(node->uses_snapshot && node->keeps_snapshot ? node->snapshot : former, node->dir);
    }
    if (node->loses_store || node->uses_snapshot) {
        SIM_TRACE("%s begins with %s", node->name, node->loses_store ? "NO STORE" : "an OLD STORE");
    }
    if (node->incarnation > 1) {
        files_remove(former);
    }
    node->loses_store = node->uses_snapshot = false;
}

void node_snapshot(struct node *node) {
    if (node->keeps_snapshot) {
        files_remove(node->snapshot);
    }
    int length = snprintf(node->snapshot, sizeof node->snapshot, "%s-old", node->dir);
    assert(length > 0 && (size_t)length < sizeof node->snapshot);
    files_copy(node->dir, node->snapshot);
    node->keeps_snapshot = true;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

void node_start(struct node *node) {
    assert(node->process == NULL || !node->process->is_alive);
    int64_t wall_offset_us = node->process == NULL ? 0 : node->process->wall_offset_us;
    node->incarnation++;
    folder_make(node);
    node->must_stop = false;
    node->config.data_dir = node->dir;
    node->process = sim_start(node->name, node->incarnation, node_main, node);
    node->process->wall_offset_us = wall_offset_us;
}

void node_stop(struct node *node) {
    SIM_TRACE("STOP of %s", node->name);
    node->must_stop = true;
    sim_wake(&node->must_stop);
}

struct node *node_add(enum node_kind kind, const char *name, const struct config *base, int64_t workers,
                      const char *root) {
    assert(node_count < NODES_MAX);
    struct node *node = &nodes[node_count++];
    *node = (struct node){.kind = kind, .config = *base, .is_wanted = true};
    int length = snprintf(node->name, sizeof node->name, "%s", name);
    assert(length > 0 && (size_t)length < sizeof node->name);
    length = snprintf(node->dir, sizeof node->dir, "%s/none", root);
    assert(length > 0 && (size_t)length < sizeof node->dir);
    node->config.handler_workers = workers;
    node->config.handler_name = node->name;
    node_start(node);
    return node;
}
