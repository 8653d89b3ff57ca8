#include "core/http/places.h"

static void join_address(struct connection *connection) {
    uint8_t holder[ADDRESS_BYTES];
    address_holder(connection->peer, holder);
    struct address_count *row = address_counts_add(&connection->server->by_address, holder);
    connection->of_address = row;
    connection->older_of_address = row->first;
    if (connection->older_of_address != NULL) {
        connection->older_of_address->newer_of_address = connection;
    }
    row->first = connection;
}

void places_leave(struct connection *connection) {
    struct address_count *row = connection->of_address;
    if (row == NULL) {
        return;
    }
    if (connection->newer_of_address != NULL) {
        connection->newer_of_address->older_of_address = connection->older_of_address;
    } else {
        row->first = connection->older_of_address;
    }
    if (connection->older_of_address != NULL) {
        connection->older_of_address->newer_of_address = connection->newer_of_address;
    }
    connection->of_address = NULL;
    address_counts_remove(&connection->server->by_address, row);
}

/* Takes the place of who has waited longest without being owed an answer; false when all are owed one. A connection
 * that idles may be closed at any time (RFC 9112, 9.5), so its client knows how to come again; what has begun to arrive
 * goes only when nobody idles, and who does not read his answer goes last. */
static bool make_place(struct http_server *server) {
    const struct deadline_queue *queues[] = {&server->idle, &server->lingering, &server->heads, &server->bodies};
    for (size_t i = 0; i < ARRAY_LENGTH(queues); i++) {
        if (queues[i]->first != NULL) {
            connection_abort(CONTAINER_OF(queues[i]->first, struct connection, read_deadline));
            return true;
        }
    }
    if (server->writes.first != NULL) {
        connection_abort(CONTAINER_OF(server->writes.first, struct connection, write_deadline));
        return true;
    }
    return false;
}

/* How readily it gives way, in the order of make_place; 0: not at all, it is owed an answer. */
static int readiness_to_go(const struct connection *connection) {
    const struct http_server *server = connection->server;
    const struct deadline_queue *queue = connection->read_deadline.queue;
    if (queue == NULL) {
        return connection->write_deadline.queue != NULL ? 1 : 0;
    }
    return queue == &server->idle ? 5 : queue == &server->lingering ? 4 : queue == &server->heads ? 3 : 2;
}

/* Whoever opens connections without end takes the places of his own ones, not those of others. At most
 * connections_per_address are looked at. */
static bool make_place_of_address(struct connection *connection) {
    struct http_server *server = connection->server;
    const struct http_server_options *options = &server->options;
    uint8_t holder[ADDRESS_BYTES];
    address_holder(connection->peer, holder);
    const struct address_count *row = address_counts_find(&server->by_address, holder);
    if (row == NULL || row->count < options->connections_per_address) {
        return true;
    }
    struct connection *first_to_go = NULL;
    int readiness = 0;
    server->stats.crowded_total++;
    for (struct connection *one = row->first; one != NULL; one = one->older_of_address) {
        int of_one = readiness_to_go(one);
        if (of_one > 0 && of_one >= readiness) { /* of two alike the older one */
            first_to_go = one;
            readiness = of_one;
        }
    }
    if (first_to_go != NULL) {
        connection_abort(first_to_go);
    }
    return first_to_go != NULL;
}

enum http_refusal places_take(struct connection *connection) {
    struct http_server *server = connection->server;
    const struct http_server_options *options = &server->options;
    bool counts = options->connections_per_address > 0 &&
                  (options->is_exempt == NULL || !options->is_exempt(options->context, connection->peer));
    if (counts && !make_place_of_address(connection)) {
        return HTTP_REFUSAL_ADDRESS_CROWDED;
    }
    while (server->stats.connections_open >= options->connections_max && make_place(server)) {
    }
    if (server->stats.connections_open >= options->connections_max) {
        return HTTP_REFUSAL_OVERLOADED;
    }
    if (counts) {
        join_address(connection);
    }
    return HTTP_REFUSAL_NONE;
}
