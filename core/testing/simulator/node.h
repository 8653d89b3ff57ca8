/* node.h: the processes of the system under simulation: what runs in each, and how each is killed and started again.
 *
 * Purpose  a node is a name under which a process of the real program runs, again and again: a handler, a projector
 *          or a connector. Its files outlive a kill, as the kernel's cache does; each new process finds a copy of
 *          them, since LMDB would not open a folder twice in one process of ours.
 * Thread   one.                  May use: handler, connect, projections, world.
 */
#pragma once

#include "core/base/config.h"
#include "core/testing/simulator/world.h"

enum node_kind { NODE_HANDLER, NODE_PROJECTOR, NODE_CONNECTOR };

enum { NODES_MAX = 8, NODE_NAME_MAX = 32, NODE_PATH_MAX = 256 };

struct node {
    enum node_kind kind;
    char name[NODE_NAME_MAX];
    struct config config;
    char dir[NODE_PATH_MAX]; /* of the process that runs, or ran last */
    int incarnation;
    struct sim_process *process;
    bool must_stop;                     /* SIGTERM */
    bool is_wanted;                     /* it is to be started again when it has ended */
    bool loses_store;                   /* its files are gone when it starts next */
    bool keeps_snapshot, uses_snapshot; /* its files are those of an earlier moment when it starts next */
    char snapshot[NODE_PATH_MAX];
};

extern struct node nodes[NODES_MAX];
extern size_t node_count;

/* `base`: the settings that all share; `workers`: of a handler. Starts it. */
struct node *node_add(enum node_kind kind, const char *name, const struct config *base, int64_t workers,
                      const char *root);
/* When it is not running. */
void node_start(struct node *node);
/* SIGTERM: it ends in good order, some time later. */
void node_stop(struct node *node);
/* Keeps a copy of its files as they are now. */
void node_snapshot(struct node *node);
