#include "core/vault/token.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "core/base/json_write.h"

enum {
    MAC_BYTES = 24, /* of what people carry: base64url without a rest */
    SIGNATURE_LEN = 86,
    HEADER_LEN = 74,
    CLAIMS_LEN_MAX = ACCESS_TOKEN_MAX - HEADER_LEN - SIGNATURE_LEN - 2,
    CLAIMS_BYTES_MAX = CLAIMS_LEN_MAX * 3 / 4,
    TIME_DIGITS_MAX = 12, /* the year 9999 */
    ULID_PREFIX_LEN = 4,
};

static const int64_t time_max_s = 253402300799; /* 9999-12-31T23:59:59Z */

#define HEADER_BEFORE_KID STR("{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"")
#define HEADER_AFTER_KID STR("\"}")

static const struct {
    const char *name;
    uint32_t bit;
} roles[] = {
#define TOKEN_ROLE_ROW(name, text, place) {text, TOKEN_ROLE_##name},
    TOKEN_ROLE_TABLE(TOKEN_ROLE_ROW)
#undef TOKEN_ROLE_ROW
};

uint32_t token_role_of_name(struct str name) {
    for (size_t i = 0; i < ARRAY_LENGTH(roles); i++) {
        if (str_equal(name, str_of_cstr(roles[i].name))) {
            return roles[i].bit;
        }
    }
    return 0;
}

/* Prefix and a ULID's text. */
static bool is_id(struct str text, struct str prefix, uint8_t ret_ulid[ULID_BYTES]) {
    return str_starts_with(text, prefix) && ulid_read(str_from(text, prefix.len), ret_ulid);
}

static struct str arena_base64url(struct arena *arena, const uint8_t *bytes, size_t size, struct str prefix) {
    struct buf text;
    buf_init_wiping(&text, ACCESS_TOKEN_MAX);
    buf_str(&text, prefix);
    base64url_write(&text, str_of((const char *)bytes, size));
    struct str copy = arena_str_copy(arena, buf_text(&text));
    buf_release(&text);
    return copy;
}

/* ---- access tokens: writing ---- */

static void write_roles(struct json_writer *writer, uint32_t bits) {
    json_field_array(writer, "roles");
    for (size_t i = 0; i < ARRAY_LENGTH(roles); i++) {
        if ((bits & roles[i].bit) != 0) {
            json_text(writer, str_of_cstr(roles[i].name));
        }
    }
    json_array_end(writer);
}

static void write_claims(const struct signing *signing, const struct access_claims *claims, struct buf *out) {
    char session[16];
    int session_len = snprintf(session, sizeof session, "%" PRId32, claims->session);
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_name(&writer, STR("iss"));
    json_raw(&writer, signing_issuer(signing));
    json_name(&writer, STR("aud"));
    json_raw(&writer, signing_audience(signing));
    json_field_string(&writer, "sub", claims->customer);
    json_field_string(&writer, "sid", str_of(session, (size_t)session_len));
    json_field_int(&writer, "iat", claims->issued_at_s);
    json_field_int(&writer, "exp", claims->expires_at_s);
    write_roles(&writer, claims->roles);
    if (claims->vendor.len > 0) {
        json_name(&writer, STR("vendor"));
        json_base64url(&writer, claims->vendor);
    }
    if (claims->is_once) {
        json_field_bool(&writer, "once", true);
    }
    json_field_array(&writer, "amr"); /* RFC 8176 */
    json_text(&writer, STR("pwd"));
    if (claims->was_code_given) {
        json_text(&writer, STR("otp"));
    }
    json_array_end(&writer);
    json_object_end(&writer);
}

static bool has_sane_times(const struct access_claims *claims) {
    int64_t issued_at_s = claims->issued_at_s, expires_at_s = claims->expires_at_s;
    return issued_at_s >= 0 && expires_at_s <= time_max_s && issued_at_s < expires_at_s &&
           expires_at_s - issued_at_s <= ACCESS_LIFE_MAX_S;
}

struct str access_token_write(const struct signing *signing, struct arena *arena, const struct access_claims *claims) {
    uint8_t ulid[ULID_BYTES];
    assert(is_id(claims->customer, STR("cus_"), ulid) && claims->session >= 0 &&
           (claims->roles & ~TOKEN_ROLE_ALL) == 0 && claims->vendor.len <= ACCESS_VENDOR_MAX && has_sane_times(claims));
    struct signing_pair pair;
    signing_pair_derive(signing, claims->issued_at_s, &pair);
    struct buf part, token;
    buf_init_wiping(&part, CLAIMS_BYTES_MAX);
    buf_init_wiping(&token, ACCESS_TOKEN_MAX);
    buf_str(&part, HEADER_BEFORE_KID);
    buf_bytes(&part, pair.kid, sizeof pair.kid);
    buf_str(&part, HEADER_AFTER_KID);
    base64url_write(&token, buf_text(&part));
    buf_byte(&token, '.');
    buf_clear(&part);
    write_claims(signing, claims, &part);
    base64url_write(&token, buf_text(&part));
    assert(buf_ok(&part) && buf_ok(&token));
    uint8_t signature[SIGNING_SIGNATURE_BYTES];
    signing_pair_sign(&pair, buf_text(&token), signature);
    buf_byte(&token, '.');
    base64url_write(&token, str_of((const char *)signature, sizeof signature));
    assert(buf_ok(&token));
    struct str copy = arena_str_copy(arena, buf_text(&token));
    buf_release(&part);
    buf_release(&token);
    return copy;
}

/* ---- access tokens: reading; each step takes its part from the front of `rest`, or answers false ---- */

static bool take(struct str *rest, struct str literal) {
    bool is_there = str_starts_with(*rest, literal);
    if (is_there) {
        *rest = str_from(*rest, literal.len);
    }
    return is_there;
}

/* A text of JSON, quotes included, as it stands. */
static bool take_text(struct str *rest, struct str *ret_text) {
    if (rest->len == 0 || rest->data[0] != '"') {
        return false;
    }
    for (uint32_t i = 1; i < rest->len; i++) {
        if (rest->data[i] == '"') {
            *ret_text = str_first(*rest, i + 1);
            *rest = str_from(*rest, i + 1);
            return true;
        }
        i += rest->data[i] == '\\';
    }
    return false;
}

static struct str without_quotes(struct str text) {
    return str_first(str_from(text, 1), text.len - 2);
}

static bool take_number(struct str *rest, int64_t *ret_number) {
    uint32_t digits = 0;
    while (digits < rest->len && digits < TIME_DIGITS_MAX && rest->data[digits] >= '0' && rest->data[digits] <= '9') {
        digits++;
    }
    if (!int64_read(str_first(*rest, digits), ret_number)) {
        return false;
    }
    *rest = str_from(*rest, digits);
    return true;
}

/* Each at most once, in the table's order. */
static bool take_roles(struct str *rest, uint32_t *ret_roles) {
    uint32_t bits = 0;
    struct str name;
    if (!take(rest, STR("["))) {
        return false;
    }
    while (!take(rest, STR("]"))) {
        if ((bits != 0 && !take(rest, STR(","))) || !take_text(rest, &name)) {
            return false;
        }
        uint32_t bit = token_role_of_name(without_quotes(name));
        if (bit <= bits) {
            return false;
        }
        bits |= bit;
    }
    *ret_roles = bits;
    return true;
}

static bool take_session(struct str *rest, int32_t *ret_session) {
    struct str text;
    int64_t number;
    if (!take_text(rest, &text) || !int64_read(without_quotes(text), &number) || number < 0 || number > INT32_MAX) {
        return false;
    }
    *ret_session = (int32_t)number;
    return true;
}

/* The vendor's name goes into `vendor`, which the claims then point to. */
static bool take_vendor(struct str *rest, char vendor[ACCESS_VENDOR_MAX], struct str *ret_vendor) {
    struct str text;
    if (!take(rest, STR(",\"vendor\":"))) {
        *ret_vendor = (struct str){0};
        return true;
    }
    if (!take_text(rest, &text)) {
        return false;
    }
    int len = base64url_read(without_quotes(text), (uint8_t *)vendor, ACCESS_VENDOR_MAX);
    *ret_vendor = str_of(vendor, len < 0 ? 0 : (size_t)len);
    return len > 0;
}

static bool take_methods(struct str *rest, bool *ret_was_code_given) {
    *ret_was_code_given = take(rest, STR(",\"amr\":[\"pwd\",\"otp\"]"));
    return *ret_was_code_given || take(rest, STR(",\"amr\":[\"pwd\"]"));
}

/* What the claims name points into `json` and `vendor`. */
static bool read_claims(struct str json, char vendor[ACCESS_VENDOR_MAX], struct str *ret_issuer,
                        struct str *ret_audience, struct access_claims *ret_claims) {
    struct str rest = json, customer;
    uint8_t ulid[ULID_BYTES];
    bool has_names = take(&rest, STR("{\"iss\":")) && take_text(&rest, ret_issuer) && take(&rest, STR(",\"aud\":")) &&
                     take_text(&rest, ret_audience);
    bool has_session = has_names && take(&rest, STR(",\"sub\":")) && take_text(&rest, &customer) &&
                       is_id(without_quotes(customer), STR("cus_"), ulid) && take(&rest, STR(",\"sid\":")) &&
                       take_session(&rest, &ret_claims->session);
    bool has_times = has_session && take(&rest, STR(",\"iat\":")) && take_number(&rest, &ret_claims->issued_at_s) &&
                     take(&rest, STR(",\"exp\":")) && take_number(&rest, &ret_claims->expires_at_s);
    bool has_rights = has_times && take(&rest, STR(",\"roles\":")) && take_roles(&rest, &ret_claims->roles) &&
                      take_vendor(&rest, vendor, &ret_claims->vendor);
    if (!has_rights) {
        return false;
    }
    ret_claims->is_once = take(&rest, STR(",\"once\":true"));
    ret_claims->customer = without_quotes(customer);
    return take_methods(&rest, &ret_claims->was_code_given) && str_equal(rest, STR("}")) && has_sane_times(ret_claims);
}

struct token_parts {
    struct str header, claims, signature, is_signed /* header and claims, with the dot */;
};

static bool split(struct str token, struct token_parts *ret_parts) {
    if (token.len > ACCESS_TOKEN_MAX) {
        return false;
    }
    struct str header = str_first(token, str_find(token, '.'));
    struct str behind = str_from(token, header.len + 1);
    struct str claims = str_first(behind, str_find(behind, '.'));
    *ret_parts = (struct token_parts){
        .header = header,
        .claims = claims,
        .signature = str_from(behind, claims.len + 1),
        .is_signed = str_first(token, header.len + 1 + claims.len),
    };
    return header.len == HEADER_LEN && ret_parts->signature.len == SIGNATURE_LEN;
}

/* Algorithm and type are constants to compare with, as is every other byte but the key's name. */
static bool read_header(struct str text, char ret_kid[SIGNING_KID_LEN]) {
    uint8_t bytes[HEADER_LEN];
    int len = base64url_read(text, bytes, sizeof bytes);
    struct str rest = str_of((const char *)bytes, len < 0 ? 0 : (size_t)len);
    if (!take(&rest, HEADER_BEFORE_KID) || rest.len != SIGNING_KID_LEN + HEADER_AFTER_KID.len) {
        return false;
    }
    memcpy(ret_kid, rest.data, SIGNING_KID_LEN);
    uint8_t kid[SIGNING_KID_LEN / 2];
    return hex_read(str_of(ret_kid, SIGNING_KID_LEN), kid, sizeof kid) &&
           str_equal(str_from(rest, SIGNING_KID_LEN), HEADER_AFTER_KID);
}

enum token_verdict access_token_read(const struct signing *signing, struct arena *arena, struct str token,
                                     int64_t now_s, struct access_claims *ret_claims) {
    struct token_parts parts;
    char kid[SIGNING_KID_LEN], vendor[ACCESS_VENDOR_MAX];
    uint8_t signature[SIGNING_SIGNATURE_BYTES], json[CLAIMS_BYTES_MAX];
    if (!split(token, &parts) || !read_header(parts.header, kid) ||
        base64url_read(parts.signature, signature, sizeof signature) != (int)sizeof signature) {
        return TOKEN_MALFORMED;
    }
    int json_len = base64url_read(parts.claims, json, sizeof json);
    if (json_len < 0) {
        return TOKEN_MALFORMED;
    }
    const uint8_t *key = signing_key_named(signing, str_of(kid, sizeof kid));
    if (key == NULL) {
        return TOKEN_UNKNOWN_KEY;
    }
    if (!signing_is_signed(key, parts.is_signed, signature)) {
        return TOKEN_FORGED;
    }
    struct str issuer, audience;
    struct access_claims claims;
    if (!read_claims(str_of((const char *)json, (size_t)json_len), vendor, &issuer, &audience, &claims)) {
        return TOKEN_MALFORMED;
    }
    if (!str_equal(issuer, signing_issuer(signing)) || !str_equal(audience, signing_audience(signing))) {
        return TOKEN_FOR_OTHERS;
    }
    if (claims.issued_at_s > now_s + ACCESS_EARLY_MAX_S) {
        return TOKEN_NOT_YET;
    }
    if (claims.expires_at_s <= now_s) {
        return TOKEN_EXPIRED;
    }
    claims.customer = arena_str_copy(arena, claims.customer);
    claims.vendor = arena_str_copy(arena, claims.vendor);
    *ret_claims = claims;
    return TOKEN_FINE;
}

/* ---- refresh tokens ---- */

enum { REF_BYTES = ULID_BYTES + 4 + 4, REFRESH_BYTES = REF_BYTES + MAC_BYTES };

static void put_u32(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static uint32_t get_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void hash_ref(const struct secret *secret, const uint8_t ref[REF_BYTES], uint8_t ret_hash[SECRET_HASH_BYTES]) {
    struct str part = str_of((const char *)ref, REF_BYTES);
    secret_hash(secret, "refresh token", &part, 1, ret_hash);
}

struct str refresh_token_write(struct arena *arena, const struct secret *secret, const struct session_ref *ref) {
    uint8_t bytes[REFRESH_BYTES], hash[SECRET_HASH_BYTES];
    memcpy(bytes, ref->customer, ULID_BYTES);
    put_u32(bytes + ULID_BYTES, ref->session);
    put_u32(bytes + ULID_BYTES + 4, ref->generation);
    hash_ref(secret, bytes, hash);
    memcpy(bytes + REF_BYTES, hash, MAC_BYTES);
    return arena_base64url(arena, bytes, sizeof bytes, STR("drt_"));
}

bool refresh_token_read(const struct secret *secret, struct str token, struct session_ref *ret_ref) {
    uint8_t bytes[REFRESH_BYTES], hash[SECRET_HASH_BYTES];
    if (token.len != REFRESH_TOKEN_LEN || !take(&token, STR("drt_")) ||
        base64url_read(token, bytes, sizeof bytes) != (int)sizeof bytes) {
        return false;
    }
    hash_ref(secret, bytes, hash);
    if (sodium_memcmp(hash, bytes + REF_BYTES, MAC_BYTES) != 0) {
        return false;
    }
    memcpy(ret_ref->customer, bytes, ULID_BYTES);
    ret_ref->session = get_u32(bytes + ULID_BYTES);
    ret_ref->generation = get_u32(bytes + ULID_BYTES + 4);
    return true;
}

/* ---- mailed tokens and API keys ---- */

static void hash_numbered(const struct secret *secret, const char *label, struct str use, struct str stream,
                          int32_t number, uint8_t ret_hash[SECRET_HASH_BYTES]) {
    uint8_t bytes[4];
    put_u32(bytes, (uint32_t)number);
    const struct str parts[] = {use, stream, str_of((const char *)bytes, sizeof bytes)};
    secret_hash(secret, label, parts, ARRAY_LENGTH(parts), ret_hash);
}

struct str mail_token_write(struct arena *arena, const struct secret *secret, const char *use, struct str customer,
                            int32_t number) {
    uint8_t hash[SECRET_HASH_BYTES];
    hash_numbered(secret, "mail token", str_of_cstr(use), customer, number, hash);
    return arena_base64url(arena, hash, MAC_BYTES, STR(""));
}

bool mail_token_read(const struct secret *secret, const char *use, struct str customer, int32_t number,
                     struct str token) {
    uint8_t hash[SECRET_HASH_BYTES], bytes[MAC_BYTES];
    if (base64url_read(token, bytes, sizeof bytes) != (int)sizeof bytes) {
        return false;
    }
    hash_numbered(secret, "mail token", str_of_cstr(use), customer, number, hash);
    return sodium_memcmp(hash, bytes, MAC_BYTES) == 0;
}

struct str api_key_write(struct arena *arena, const struct secret *secret, struct str key_stream, int32_t generation) {
    uint8_t ulid[ULID_BYTES], hash[SECRET_HASH_BYTES];
    assert(is_id(key_stream, STR("key_"), ulid));
    hash_numbered(secret, "api key", (struct str){0}, key_stream, generation, hash);
    struct str prefix = arena_printf(arena, "dbk_%.*s_", STR_ARGS(str_from(key_stream, ULID_PREFIX_LEN)));
    return arena_base64url(arena, hash, sizeof hash, prefix);
}

bool api_key_parse(struct str text, char ret_key_stream[API_KEY_STREAM_LEN]) {
    uint8_t ulid[ULID_BYTES], bytes[SECRET_HASH_BYTES];
    struct str id = str_first(text, ULID_PREFIX_LEN + ULID_TEXT_LEN), rest = str_from(text, id.len);
    if (text.len != API_KEY_LEN || !is_id(id, STR("dbk_"), ulid) || !take(&rest, STR("_")) ||
        base64url_read(rest, bytes, sizeof bytes) != (int)sizeof bytes) {
        return false;
    }
    memcpy(ret_key_stream, "key_", ULID_PREFIX_LEN);
    memcpy(ret_key_stream + ULID_PREFIX_LEN, id.data + ULID_PREFIX_LEN, ULID_TEXT_LEN);
    return true;
}

void api_key_hash(struct str text, uint8_t ret_hash[API_KEY_HASH_BYTES]) {
    int failed = crypto_generichash(ret_hash, API_KEY_HASH_BYTES, (const uint8_t *)text.data, text.len, NULL, 0);
    assert(failed == 0);
}
