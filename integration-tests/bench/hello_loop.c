/* hello_loop.c: the limit of one event loop: libuv and llhttp answer every request with the same few bytes.
 *
 * Nothing is looked at but where a request ends. What is not read at once is a peer's loss: this serves wrk alone.
 *
 *   hello_loop PORT        until it is ended
 */
#include <llhttp.h>
#include <uv.h>

#include "core/base/macros.h"
#include "integration-tests/bench/bench.h"

enum { BACKLOG = 1024, READ_BYTES = 64 * 1024 };

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello world\n";

struct peer {
    uv_tcp_t tcp;
    llhttp_t parser;
};

static char read_buffer[READ_BYTES]; /* of one loop, whose reads come one after the other */
static llhttp_settings_t settings;

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *ret_buf) {
    (void)handle, (void)size;
    *ret_buf = uv_buf_init(read_buffer, sizeof read_buffer);
}

static int on_request(llhttp_t *parser) {
    struct peer *peer = CONTAINER_OF(parser, struct peer, parser);
    uv_buf_t answer = uv_buf_init((char *)ANSWER, sizeof ANSWER - 1);
    bool is_sent = uv_try_write((uv_stream_t *)&peer->tcp, &answer, 1) == (int)answer.len;
    return is_sent ? HPE_OK : HPE_USER;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
    struct peer *peer = stream->data;
    bool is_over = count < 0 || llhttp_execute(&peer->parser, buf->base, (size_t)count) != HPE_OK;
    if (is_over && !uv_is_closing((uv_handle_t *)stream)) {
        uv_close((uv_handle_t *)stream, on_closed);
    }
}

static void on_connection(uv_stream_t *server, int status) {
    struct peer *peer = status < 0 ? NULL : calloc(1, sizeof *peer);
    if (peer == NULL) {
        return;
    }
    uv_tcp_init(server->loop, &peer->tcp);
    peer->tcp.data = peer;
    llhttp_init(&peer->parser, HTTP_REQUEST, &settings);
    if (uv_accept(server, (uv_stream_t *)&peer->tcp) != 0) {
        uv_close((uv_handle_t *)&peer->tcp, on_closed);
        return;
    }
    uv_tcp_nodelay(&peer->tcp, 1);
    uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read);
}

int main(int argc, char **argv) {
    int64_t port;
    if (argc != 2 || !number_read(argv[1], UINT16_MAX, &port)) {
        fputs("usage: hello_loop PORT\n", stderr);
        return 2;
    }
    llhttp_settings_init(&settings);
    settings.on_message_complete = on_request;
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t server;
    struct sockaddr_in address;
    uv_tcp_init(loop, &server);
    int failed = uv_ip4_addr("127.0.0.1", (int)port, &address);
    failed = failed != 0 ? failed : uv_tcp_bind(&server, (const struct sockaddr *)&address, 0);
    failed = failed != 0 ? failed : uv_listen((uv_stream_t *)&server, BACKLOG, on_connection);
    if (failed != 0) {
        fprintf(stderr, "hello_loop: port %d: %s\n", (int)port, uv_strerror(failed));
        return EXIT_FAILURE;
    }
    uv_run(loop, UV_RUN_DEFAULT);
    return EXIT_SUCCESS;
}
