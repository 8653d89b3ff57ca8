#include "core/connect/smtp_calls.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/address.h"
#include "core/base/format.h"
#include "core/base/memory.h"
#include "core/connect/curl_loop.h"
#include "core/http/tls.h"

enum {
    /* Two families' addresses are tried at once, and a second attempt may connect beside connections that wait. */
    SOCKETS_MAX = 4 * SMTP_CONNECTIONS_MAX,
    ADDRESS_MAX_BYTES = 254, /* FORMAT_EMAIL */
};

struct smtp_calls {
    uv_loop_t *uv;
    struct curl_loop *loop;
    char *url, *username, *password, *ca_file; /* NULL: none */
    bool encrypts;
    int timeout_ms, connections_max;
    struct call *first_waiting, **last_waiting; /* the link that the next one goes into */
    int going, waiting;
    curl_socket_t sockets[SOCKETS_MAX]; /* all open ones of libcurl's, and CURL_SOCKET_BAD */
    bool is_closing;
    void (*on_closed)(void *context);
    void *closed_context;
};

/* What was said last, and so what an answer is about. */
enum stage { STAGE_BEGINNING, STAGE_SENDER, STAGE_RECIPIENT, STAGE_MESSAGE };

struct call {
    struct curl_transfer transfer; /* first: the transfer is the call */
    struct smtp_calls *calls;
    struct call *next; /* of those that wait */
    char *from;        /* in angle brackets */
    struct curl_slist *to;
    char *data;
    size_t data_len, data_read;
    uint64_t ends_at_ms; /* by the loop's clock; 0: it has not gone yet */
    enum stage stage;
    bool is_second_try;
    char why[CURL_ERROR_SIZE];
    smtp_done_cb *on_done;
    void *context;
};

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static bool is_given(const char *text) {
    return text != NULL && text[0] != '\0';
}

static char *copy_given(const char *text) {
    return is_given(text) ? strdup_or_end(text) : NULL;
}

/* Empty, or `/` and what EHLO may say: a domain name, or an address in brackets (RFC 5321, 4.1.1.1). */
static bool is_own_name(const char *path) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]";
    return path[0] == '\0' || (path[0] == '/' && path[1 + strspn(path + 1, allowed)] == '\0');
}

/* A part of the URL; NULL when it has none. The caller's for curl_free. */
static char *url_part(CURLU *url, CURLUPart part) {
    char *text = NULL;
    return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

static void release_curl_text(char **text) {
    curl_free(*text);
}

static void release_curl_url(CURLU **url) {
    curl_url_cleanup(*url);
}

static enum err check_url(const char *text, bool *ret_is_this_machine, struct err_info *info) {
    CURLU *url CLEANUP(release_curl_url) = curl_url();
    if (url == NULL) {
        out_of_memory("a URL");
    }
    CURLUcode code = curl_url_set(url, CURLUPART_URL, text, 0);
    if (code != CURLUE_OK) {
        return err_set(info, ERR_CONFIG, "smtp_url: %s", curl_url_strerror(code));
    }
    char *scheme CLEANUP(release_curl_text) = url_part(url, CURLUPART_SCHEME);
    char *host CLEANUP(release_curl_text) = url_part(url, CURLUPART_HOST);
    char *user CLEANUP(release_curl_text) = url_part(url, CURLUPART_USER);
    char *password CLEANUP(release_curl_text) = url_part(url, CURLUPART_PASSWORD);
    char *options CLEANUP(release_curl_text) = url_part(url, CURLUPART_OPTIONS);
    char *path CLEANUP(release_curl_text) = url_part(url, CURLUPART_PATH);
    char *query CLEANUP(release_curl_text) = url_part(url, CURLUPART_QUERY);
    char *fragment CLEANUP(release_curl_text) = url_part(url, CURLUPART_FRAGMENT);
    if (scheme == NULL || (strcmp(scheme, "smtp") != 0 && strcmp(scheme, "smtps") != 0) || host == NULL) {
        return err_set(info, ERR_CONFIG, "smtp_url: it begins with smtp://HOST or smtps://HOST");
    }
    if (user != NULL || password != NULL || options != NULL || query != NULL || fragment != NULL ||
        (path != NULL && !is_own_name(path))) {
        return err_set(info, ERR_CONFIG,
                       "smtp_url: behind HOST[:PORT] nothing is understood but /NAME, as which this machine presents "
                       "itself; who logs in stands in smtp_username and smtp_password");
    }
    *ret_is_this_machine = address_is_this_machine(str_of_cstr(host));
    return ERR_NONE;
}

static enum err check_server(const struct smtp_server *server, bool *ret_is_this_machine, struct err_info *info) {
    if (is_given(server->username) != is_given(server->password)) {
        return err_set(info, ERR_CONFIG, "smtp_username and smtp_password: both or neither");
    }
    if (is_given(server->ca_file)) {
        struct tls_context *authorities;
        enum err err = tls_client_context_open(server->ca_file, &authorities, info);
        if (err != ERR_NONE) {
            return err;
        }
        tls_context_close(authorities);
    }
    return check_url(server->url, ret_is_this_machine, info);
}

enum err smtp_calls_open(uv_loop_t *loop, const struct smtp_server *server, struct smtp_calls **ret_calls,
                         struct err_info *info) {
    assert(server->connections_max >= 0 && server->connections_max <= SMTP_CONNECTIONS_MAX);
    bool is_here;
    enum err err = check_server(server, &is_here, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct smtp_calls *calls = calloc_or_end(1, sizeof *calls);
    /* More than there ever are, so that libcurl never closes one to make room. */
    err = curl_loop_open(loop, 2 * SMTP_CONNECTIONS_MAX, &calls->loop, info);
    if (err != ERR_NONE) {
        free(calls);
        return err;
    }
    calls->uv = loop;
    calls->url = strdup_or_end(server->url);
    calls->username = copy_given(server->username);
    calls->password = copy_given(server->password);
    calls->ca_file = copy_given(server->ca_file);
    calls->encrypts = !is_here || calls->ca_file != NULL;
    calls->timeout_ms = server->timeout_ms > 0 ? server->timeout_ms : SMTP_TIMEOUT_MS;
    calls->connections_max = server->connections_max > 0 ? server->connections_max : SMTP_CONNECTIONS_MAX;
    calls->last_waiting = &calls->first_waiting;
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        calls->sockets[i] = CURL_SOCKET_BAD;
    }
    *ret_calls = calls;
    return ERR_NONE;
}

/* ---- what libcurl asks ------------------------------------------------------------------------------------------- */

static curl_socket_t *find_socket(struct smtp_calls *calls, curl_socket_t socket) {
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (calls->sockets[i] == socket) {
            return &calls->sockets[i];
        }
    }
    return NULL;
}

static curl_socket_t on_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
    (void)purpose;
    curl_socket_t *place = find_socket(user, CURL_SOCKET_BAD);
    if (place == NULL) {
        return CURL_SOCKET_BAD;
    }
    *place = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    return *place;
}

static int on_close_socket(void *user, curl_socket_t socket) {
    curl_socket_t *place = find_socket(user, socket);
    assert(place != NULL);
    *place = CURL_SOCKET_BAD;
    return close(socket);
}

static size_t on_read(char *bytes, size_t size, size_t count, void *user) {
    struct call *call = user;
    size_t left = call->data_len - call->data_read;
    size_t read = size * count < left ? size * count : left;
    memcpy(bytes, call->data + call->data_read, read);
    call->data_read += read;
    return read;
}

/* libcurl tells its commands to nobody else. Before it closes a connection it says QUIT and waits for the answer in the
 * loop, for as long as the server likes: so it finds that nothing more is to be read. */
static int on_debug(CURL *easy, curl_infotype type, char *bytes, size_t size, void *user) {
    (void)easy;
    struct call *call = user;
    struct str text = str_of(bytes, size);
    if (type != CURLINFO_HEADER_OUT) {
        return 0;
    }
    if (str_starts_with(text, STR("MAIL FROM:"))) {
        call->stage = STAGE_SENDER;
    } else if (str_starts_with(text, STR("RCPT TO:"))) {
        call->stage = STAGE_RECIPIENT;
    } else if (str_starts_with(text, STR("DATA"))) {
        call->stage = STAGE_MESSAGE;
    } else if (str_starts_with(text, STR("QUIT")) && call->transfer.socket != CURL_SOCKET_BAD) {
        shutdown(call->transfer.socket, SHUT_RD);
    }
    return 0;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static void call_free(struct call *call) {
    curl_slist_free_all(call->to);
    free(call->from);
    free(call->data);
    free(call);
}

static enum smtp_result result_of(const struct call *call, int code) {
    bool is_about_the_mail = call->stage == STAGE_RECIPIENT || call->stage == STAGE_MESSAGE;
    return is_about_the_mail && code / 100 == 5 ? SMTP_REFUSED : SMTP_TRY_LATER;
}

/* What libcurl passes on of OpenSSL names routines, not causes. */
static bool is_about_the_certificate(CURLcode code) {
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR;
}

/* Tells the caller, who may send the next, and frees the call. */
static void call_end(struct call *call, CURLcode curl_code, int code) {
    static const char *const subjects[] = {[STAGE_BEGINNING] = "the connection",
                                           [STAGE_SENDER] = "the sender",
                                           [STAGE_RECIPIENT] = "the recipient",
                                           [STAGE_MESSAGE] = "the message"};
    struct smtp_outcome outcome = {.result = SMTP_SENT, .code = code};
    if (curl_code != CURLE_OK) {
        outcome.result = result_of(call, code);
        if (code >= 400 && call->stage != STAGE_BEGINNING) {
            snprintf(call->why, sizeof call->why, "the server answered %d to %s", code, subjects[call->stage]);
        } else if (is_about_the_certificate(curl_code)) {
            char told[CURL_ERROR_SIZE];
            snprintf(told, sizeof told, "%s", call->why);
            snprintf(call->why, sizeof call->why, "the server's certificate is not trusted, or TLS failed: %.190s",
                     told);
        } else if (call->why[0] == '\0') {
            snprintf(call->why, sizeof call->why, "%s", curl_easy_strerror(curl_code));
        }
        outcome.why = call->why;
    }
    call->on_done(call->context, &outcome);
    call_free(call);
}

static void call_done(struct curl_transfer *transfer, CURLcode curl_code);

static void prepare(struct call *call) {
    const struct smtp_calls *calls = call->calls;
    CURL *easy = call->transfer.easy;
    uint64_t now_ms = uv_now(calls->uv);
    long left_ms = call->ends_at_ms > now_ms ? (long)(call->ends_at_ms - now_ms) : 1;
    curl_easy_setopt(easy, CURLOPT_URL, calls->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* the environment has no say in where mails go */
    curl_easy_setopt(easy, CURLOPT_USE_SSL, (long)(calls->encrypts ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (calls->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, calls->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (calls->username != NULL) {
        curl_easy_setopt(easy, CURLOPT_USERNAME, calls->username);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, calls->password);
    }
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, left_ms);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)SMTP_KEPT_S);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)call->is_second_try);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a name that is being looked up is not waited for in the loop */
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, calls);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, calls);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->why);
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, call->from);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, call->to);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, call);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->data_len);
}

/* On failure the call goes nowhere, and is the caller's to free. */
static enum err call_go(struct call *call, struct err_info *info) {
    struct smtp_calls *calls = call->calls;
    enum err err = curl_transfer_init(calls->loop, &call->transfer, call_done, info);
    if (err != ERR_NONE) {
        return err;
    }
    call->stage = STAGE_BEGINNING;
    call->data_read = 0;
    call->why[0] = '\0';
    if (call->ends_at_ms == 0) {
        uv_update_time(calls->uv);
        call->ends_at_ms = uv_now(calls->uv) + (uint64_t)calls->timeout_ms;
    }
    prepare(call);
    err = curl_transfer_start(&call->transfer, info);
    if (err != ERR_NONE) {
        curl_transfer_release(&call->transfer);
        return err;
    }
    calls->going++;
    return ERR_NONE;
}

/* From the loop: a failure is told the caller like any other. */
static void call_go_or_end(struct call *call) {
    struct err_info info = {0};
    if (call_go(call, &info) != ERR_NONE) {
        snprintf(call->why, sizeof call->why, "%s", info.text);
        call_end(call, CURLE_FAILED_INIT, 0);
    }
}

static struct call *take_waiting(struct smtp_calls *calls) {
    struct call *call = calls->first_waiting;
    calls->first_waiting = call->next;
    if (calls->first_waiting == NULL) {
        calls->last_waiting = &calls->first_waiting;
    }
    calls->waiting--;
    return call;
}

/* Servers close connections that they find idle, and the news may come after the next mail's first word: such a
 * connection says nothing about the mail. 421 is how they say so (RFC 5321, 3.8). */
static bool was_closed_in_idleness(const struct call *call, CURLcode curl_code, int code) {
    long connects = 1;
    curl_easy_getinfo(call->transfer.easy, CURLINFO_NUM_CONNECTS, &connects);
    return connects == 0 && curl_code != CURLE_OPERATION_TIMEDOUT && call->stage <= STAGE_SENDER &&
           (code == 0 || code == 421);
}

static void call_done(struct curl_transfer *transfer, CURLcode curl_code) {
    struct call *call = (struct call *)transfer;
    struct smtp_calls *calls = call->calls;
    long code = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &code);
    bool again = curl_code != CURLE_OK && !calls->is_closing && !call->is_second_try &&
                 was_closed_in_idleness(call, curl_code, (int)code);
    curl_transfer_release(transfer);
    calls->going--;
    if (again) {
        call->is_second_try = true;
        call_go_or_end(call);
    } else {
        call_end(call, curl_code, (int)code);
    }
    while (!calls->is_closing && calls->going < calls->connections_max && calls->waiting > 0) {
        call_go_or_end(take_waiting(calls));
    }
}

static struct call *call_create(struct smtp_calls *calls, const struct smtp_message *message, smtp_done_cb *on_done,
                                void *context) {
    struct call *call = calloc_or_end(1, sizeof *call);
    size_t from_size = (size_t)message->from.len + 3;
    char to[ADDRESS_MAX_BYTES + sizeof "<>"];
    snprintf(to, sizeof to, "<%.*s>", STR_ARGS(message->to));
    call->calls = calls;
    call->from = malloc_or_end(from_size);
    snprintf(call->from, from_size, "<%.*s>", STR_ARGS(message->from));
    call->to = curl_slist_append(NULL, to);
    if (call->to == NULL) {
        out_of_memory("a recipient");
    }
    call->data = malloc_or_end(message->data.len);
    call->data_len = message->data.len;
    memcpy(call->data, message->data.data, message->data.len);
    call->on_done = on_done;
    call->context = context;
    return call;
}

enum err smtp_send(struct smtp_calls *calls, const struct smtp_message *message, smtp_done_cb *on_done, void *context,
                   struct err_info *info) {
    if (calls->is_closing) {
        return err_set_retriable(info, ERR_IO, "the mails are being closed");
    }
    if (calls->going + calls->waiting >= SMTP_CALLS_MAX) {
        return err_set_retriable(info, ERR_TOO_LARGE, "%d mails are on their way", calls->going + calls->waiting);
    }
    if (message->data.len == 0 || message->data.len > SMTP_MESSAGE_MAX_BYTES) {
        return err_set(info, ERR_TOO_LARGE, "a mail has 1 to %d bytes", SMTP_MESSAGE_MAX_BYTES);
    }
    if (!format_matches(FORMAT_EMAIL, message->from) || !format_matches(FORMAT_EMAIL, message->to)) {
        return err_set(info, ERR_MALFORMED, "the sender's or the recipient's address is none");
    }
    struct call *call = call_create(calls, message, on_done, context);
    if (calls->going < calls->connections_max && calls->waiting == 0) {
        enum err err = call_go(call, info);
        if (err != ERR_NONE) {
            call_free(call);
        }
        return err;
    }
    *calls->last_waiting = call;
    calls->last_waiting = &call->next;
    calls->waiting++;
    return ERR_NONE;
}

int smtp_calls_open_count(const struct smtp_calls *calls) {
    return calls->going + calls->waiting;
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

static void on_loop_closed(void *context) {
    struct smtp_calls *calls = context;
    void (*on_closed)(void *) = calls->on_closed;
    void *closed_context = calls->closed_context;
    free(calls->url);
    free(calls->username);
    free(calls->password);
    free(calls->ca_file);
    free(calls);
    if (on_closed != NULL) {
        on_closed(closed_context);
    }
}

void smtp_calls_close(struct smtp_calls *calls, void (*on_closed)(void *context), void *context) {
    calls->is_closing = true;
    calls->on_closed = on_closed;
    calls->closed_context = context;
    while (calls->waiting > 0) {
        call_end(take_waiting(calls), CURLE_ABORTED_BY_CALLBACK, 0);
    }
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        if (calls->sockets[i] != CURL_SOCKET_BAD) {
            shutdown(calls->sockets[i], SHUT_RD); /* QUIT is said and its answer not waited for: see on_debug */
        }
    }
    curl_loop_close(calls->loop, on_loop_closed, calls);
}
