/* view_faults.c: an event that a view does not survive, for a projector that is started with this library in LD_PRELOAD.
 *
 * The view of orders hashes the record of each event that it projects, and nothing else in a projector's process
 * hashes: a record that holds POISON-ABORT ends the process there, as an assertion of the view's own would; one with
 * POISON-LOOP never comes back.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef int generichash(unsigned char *out, size_t out_len, const unsigned char *in, unsigned long long in_len,
                        const unsigned char *key, size_t key_len);

static int holds(const unsigned char *in, unsigned long long in_len, const char *wanted) {
    return memmem(in, (size_t)in_len, wanted, strlen(wanted)) != NULL;
}

int crypto_generichash(unsigned char *out, size_t out_len, const unsigned char *in, unsigned long long in_len,
                       const unsigned char *key, size_t key_len);

int crypto_generichash(unsigned char *out, size_t out_len, const unsigned char *in, unsigned long long in_len,
                       const unsigned char *key, size_t key_len) {
    static generichash *next;
    if (next == NULL) {
        next = (generichash *)dlsym(RTLD_NEXT, "crypto_generichash");
    }
    if (holds(in, in_len, "POISON-ABORT")) {
        abort();
    }
    while (holds(in, in_len, "POISON-LOOP")) {
    }
    return next(out, out_len, in, in_len, key, key_len);
}
