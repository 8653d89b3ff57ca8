/* token_fuzz.c: libFuzzer on whatever somebody may show as a credential.
 *
 * The first byte chooses what is read. Beyond what the sanitizers see: what is taken is written again to the same
 * bytes, also where the claims are the fuzzer's and signed by our own key; and a changed token is none.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/vault/token.h"
#include "core/vault/totp.h"

enum { ARENA_MAX_BYTES = 16 << 20, CLAIMS_MAX_BYTES = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t now_s = 1800000000;
static const struct secret secret = {{1}};
static struct signing *signing;

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "token_fuzz: %s\n", what);
        abort();
    }
}

static void open_once(void) {
    struct err_info info = {0};
    struct master_ring *ring = NULL;
    if (signing == NULL) {
        require(master_load("", "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &ring, &info) == ERR_NONE &&
                    signing_open(ring, "https://shop.example", "daybook", now_s, &signing, &info) == ERR_NONE,
                "there are keys to sign with");
    }
}

static struct str valid_token(struct arena *arena) {
    return access_token_write(signing, arena,
                              &(struct access_claims){
                                  .customer = STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                  .session = 7,
                                  .roles = TOKEN_ROLE_SUPPORT,
                                  .issued_at_s = now_s,
                                  .expires_at_s = now_s + 600,
                              });
}

static void fuzz_token(struct arena *arena, struct str token) {
    struct access_claims claims;
    if (access_token_read(signing, arena, token, now_s, &claims) == TOKEN_FINE) {
        require(str_equal(token, access_token_write(signing, arena, &claims)), "a token has one text");
    }
}

/* Of our own key, so that the reader of claims is reached. */
static void fuzz_claims(struct arena *arena, struct str claims) {
    struct signing_pair pair;
    uint8_t signature[SIGNING_SIGNATURE_BYTES];
    struct buf token;
    buf_init(&token, 2 * CLAIMS_MAX_BYTES);
    signing_pair_derive(signing, now_s, &pair);
    base64url_write(&token, arena_printf(arena, "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"%.*s\"}",
                                         SIGNING_KID_LEN, pair.kid));
    buf_byte(&token, '.');
    base64url_write(&token, str_first(claims, CLAIMS_MAX_BYTES));
    signing_pair_sign(&pair, buf_text(&token), signature);
    buf_byte(&token, '.');
    base64url_write(&token, str_of((const char *)signature, sizeof signature));
    fuzz_token(arena, buf_text(&token));
    buf_release(&token);
}

/* Three bytes of input change one of a token. */
static void fuzz_changes(struct arena *arena, struct str changes) {
    struct str token = valid_token(arena);
    char *changed = arena_alloc(arena, token.len);
    memcpy(changed, token.data, token.len);
    for (uint32_t i = 0; i + 2 < changes.len; i += 3) {
        uint32_t place = (uint32_t)(uint8_t)changes.data[i] << 8 | (uint8_t)changes.data[i + 1];
        changed[place % token.len] = changes.data[i + 2];
    }
    struct access_claims claims;
    struct str text = str_of(changed, token.len);
    bool is_fine = access_token_read(signing, arena, text, now_s, &claims) == TOKEN_FINE;
    require(is_fine == str_equal(text, token), "a changed token is none");
}

static void fuzz_others(struct arena *arena, struct str text) {
    struct session_ref ref;
    char stream[API_KEY_STREAM_LEN];
    int64_t step = -1;
    static const uint8_t app[TOTP_SECRET_BYTES] = {1};
    struct str customer = STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    if (refresh_token_read(&secret, text, &ref)) {
        require(str_equal(text, refresh_token_write(arena, &secret, &ref)), "a refresh token has one text");
    }
    if (api_key_parse(text, stream)) {
        require(memcmp(stream, "key_", 4) == 0 && memcmp(stream + 4, text.data + 4, 26) == 0, "a key names its stream");
    }
    if (mail_token_read(&secret, "verify", customer, 3, text)) {
        require(str_equal(text, mail_token_write(arena, &secret, "verify", customer, 3)),
                "a mailed token has one text");
    }
    if (totp_check(app, text, now_s, -1, &step)) {
        require(step >= now_s / TOTP_STEP_S - 1 && step <= now_s / TOTP_STEP_S + 1, "a code is of about now");
    }
    require(recovery_code_find(&secret, customer, 1, text) < RECOVERY_CODES, "there are so many recovery codes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    open_once();
    if (size == 0) {
        return 0;
    }
    struct arena arena;
    arena_init(&arena, ARENA_MAX_BYTES);
    struct str text = str_of((const char *)data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        fuzz_token(&arena, text);
        break;
    case 1:
        fuzz_claims(&arena, text);
        break;
    case 2:
        fuzz_changes(&arena, text);
        break;
    default:
        fuzz_others(&arena, text);
        break;
    }
    arena_release(&arena);
    return 0;
}
