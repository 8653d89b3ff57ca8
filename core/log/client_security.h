/* client_security.h: how the Kafka clients of this process speak to the brokers: in the clear, in TLS, or in TLS and by
 * a name and a password.
 *
 * Purpose  one choice for all clients of a process; client_conf puts it into each.
 * Promise  what cannot protect is refused: a password without TLS, an authority nobody asks; and SCRAM by a librdkafka
 *          that cannot. A broker's certificate must be signed by a known authority and be for the name that the broker
 *          is called by. The authorities' file is read once, when it is set: a client that is made later needs no file,
 *          as it may be in a sandbox by then.
 * Troubles that a broker refuses us, or we it, librdkafka says in its log alone, and whoever asked for something is
 *          told of a time-out. The newest of these lines is kept, and client_error tells it with such an error.
 * Thread   set before any client is made, and no other thread there is. All else: any.
 *          May use: base, librdkafka.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "core/base/err.h"

struct client_security {
    const char *protocol;  /* plaintext, ssl or sasl_ssl */
    const char *ca_file;   /* certificates of authorities, PEM; empty: those of the machine */
    const char *mechanism; /* of sasl_ssl, as Kafka calls them */
    const char *username;
    const char *password;
};

enum {
    CLIENT_CA_MAX_BYTES = 1024 * 1024,
    CLIENT_TROUBLE_MAX = 224,
    CLIENT_TROUBLE_KEPT_S = 60, /* librdkafka repeats a line after 30 s */
};

/* The texts, but for the file's, must outlive all clients. ERR_CONFIG: they do not fit together, or the file is none;
 * what was set before stays. */
MUST_CHECK enum err client_security_set(const struct client_security *security, struct err_info *info);

/* In the clear again, as at first. */
void client_security_clear(void);

/* For client_conf. */
void client_security_apply(rd_kafka_conf_t *conf);

/* A line of librdkafka's without its thread and without how long it took, which differ each time it says the same; cut
 * off at `size`, the NUL included. */
void client_line_told(const char *line, char *ret_text, size_t size);

/* Why a connection failed within the last CLIENT_TROUBLE_KEPT_S; false: none did. */
bool client_security_trouble(char ret_text[CLIENT_TROUBLE_MAX]);
