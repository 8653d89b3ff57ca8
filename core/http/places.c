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

/* The waits whose connections give way, in this order; NULL behind the last. One that idles may be closed at any time
 * (RFC 9112, 9.5), so its client knows how to come again; what has begun to arrive goes only when nobody idles, and who
 * does not read his answer goes last. Who is in none of them is owed an answer. */
static const struct deadline_queue *gives_way(const struct http_server *server, size_t place) {
    const struct deadline_queue *queues[] = {&server->idle, &server->lingering, &server->heads, &server->bodies,
                                             &server->writes};
    return place < ARRAY_LENGTH(queues) ? queues[place] : NULL;
}

/* Takes the place of who has waited longest without being owed an answer; false when all are owed one. */
static bool make_place(struct http_server *server) {
    const struct deadline_queue *queue;
    for (size_t place = 0; (queue = gives_way(server, place)) != NULL; place++) {
        if (queue->first != NULL) {
            connection_abort(queue == &server->writes ? CONTAINER_OF(queue->first, struct connection, write_deadline)
                                                      : CONTAINER_OF(queue->first, struct connection, read_deadline));
            return true;
        }
    }
    return false;
}

/* Its place in the order of gives_way; SIZE_MAX when it does not. */
static size_t place_to_give_way(const struct connection *connection) {
    const struct deadline_queue *its = connection->read_deadline.queue, *queue;
    if (its == NULL) {
        its = connection->write_deadline.queue;
    }
    for (size_t place = 0; (queue = gives_way(connection->server, place)) != NULL; place++) {
        if (queue == its) {
            return place;
        }
    }
    return SIZE_MAX;
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
    size_t first_place = SIZE_MAX;
    server->stats.crowded_total++;
    for (struct connection *one = row->first; one != NULL; one = one->older_of_address) {
        size_t place = place_to_give_way(one);
        if (place != SIZE_MAX && place <= first_place) { /* of two alike the older one */
            first_to_go = one;
            first_place = place;
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
