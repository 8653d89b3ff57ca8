/* Given a template and its values, is what goes out one mail, and nothing but what the template says? */
#include "core/connect/mail_text.h"

#include <stdio.h>

#include "core/connect/test_mime.h"

enum { VALUES_MAX = 4, ROWS = 2, ROW_VALUES = 3 };

static const char *const samples[][2] = {{"customer", "cus_01KAW6B8Q0000000000000000A"},
                                         {"token", "dG9rZW5fb2YtYS10ZXN0XzEyMzQ1Ng"},
                                         {"until", "28 November 2026, 10:30 UTC"},
                                         {"when", "28 November 2026, 09:30 UTC"},
                                         {"order", "ord_01KAW6B8Q0000000000000000B.1"},
                                         {"reference", "R-2026-11"},
                                         {"total", "31.99 EUR"},
                                         {"more", "450"}};

static const struct mail_value goods[ROWS * ROW_VALUES] = {
    {"quantity", STR("2")}, {"title", STR("Green tea")}, {"sum", STR("7.00 EUR")},
    {"quantity", STR("1")}, {"title", STR("Pot & lid")}, {"sum", STR("24.99 EUR")},
};

struct draft {
    struct mail mail;
    struct mail_value values[VALUES_MAX];
    char names[VALUES_MAX][32];
};

/* The mail of this kind, with a sample for each of its values. */
static void draft_begin(struct draft *draft, const struct mail_kind *kind) {
    *draft = (struct draft){.mail = {.name = kind->name,
                                     .to = STR("you@example.com"),
                                     .public_url = STR("https://shop.example/"),
                                     .message_id = STR("<evt_01KAW6B8Q0000000000000000C@shop.example>"),
                                     .values = draft->values,
                                     .date_us = INT64_C(1795856400123456)}};
    struct str names = str_of_cstr(kind->values);
    while (names.len > 0) {
        struct str name = str_first(names, str_find(names, ' '));
        names = str_from(names, name.len + 1);
        if (str_equal(name, STR("lines"))) {
            draft->mail.rows = (struct mail_rows){goods, ROWS, ROW_VALUES};
            continue;
        }
        size_t count = draft->mail.value_count++;
        assert_true(count < VALUES_MAX);
        snprintf(draft->names[count], sizeof draft->names[count], "%.*s", STR_ARGS(name));
        draft->values[count].name = draft->names[count];
        for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
            if (str_equal(name, str_of_cstr(samples[i][0]))) {
                draft->values[count].text = str_of_cstr(samples[i][1]);
            }
        }
        assert_true(draft->values[count].text.len > 0);
    }
}

static const struct mail_kind *kind_named(const char *name) {
    for (size_t i = 0; i < mail_kind_count; i++) {
        if (strcmp(mail_kinds[i].name, name) == 0) {
            return &mail_kinds[i];
        }
    }
    fail_msg("there is no %s", name);
    return NULL;
}

static struct str after(struct str text, const char *what) {
    const char *at = memmem(text.data, text.len, what, strlen(what));
    if (at == NULL) {
        fail_msg("no %s in: %.*s", what, STR_ARGS(text));
    }
    return str_from(text, (uint32_t)(at - text.data) + (uint32_t)strlen(what));
}

static struct str before(struct str text, const char *what) {
    struct str rest = after(text, what);
    return str_first(text, text.len - rest.len - (uint32_t)strlen(what));
}

static bool holds(struct str text, const char *what) {
    return text.len > 0 && memmem(text.data, text.len, what, strlen(what)) != NULL;
}

/* What a mail's reader sees. Released with read_mail_release. */
struct read_mail {
    struct buf bytes, text, html;
    struct str head;
};

static void read_mail(struct read_mail *read, const struct mail *mail, const char *from) {
    const char *why = NULL;
    buf_init(&read->bytes, MAIL_MAX_BYTES);
    buf_init(&read->text, MAIL_MAX_BYTES);
    buf_init(&read->html, MAIL_MAX_BYTES);
    if (!mail_write(&read->bytes, mail, str_of_cstr(from), &why)) {
        fail_msg("%s: %s", mail->name, why);
    }
    struct str whole = buf_text(&read->bytes);
    test_mime_assert_lines(whole, MIME_LINE_MAX);
    read->head = before(whole, "\r\n\r\n");
    struct str text = after(whole, "Content-Type: text/plain; charset=utf-8\r\n"
                                   "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    struct str html = after(text, "\r\n--=_daybook\r\n"
                                  "Content-Type: text/html; charset=utf-8\r\n"
                                  "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
    assert_true(str_equal(after(html, "\r\n--=_daybook--\r\n"), (struct str){.data = whole.data + whole.len}));
    test_mime_decode_body(&read->text, before(text, "\r\n--=_daybook\r\n"));
    test_mime_decode_body(&read->html, before(html, "\r\n--=_daybook--\r\n"));
}

static void read_mail_release(struct read_mail *read) {
    buf_release(&read->bytes);
    buf_release(&read->text);
    buf_release(&read->html);
}

static void each_kind_is_a_mail_of_two_parts_that_say_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < mail_kind_count; i++) {
        struct draft draft;
        struct read_mail read;
        draft_begin(&draft, &mail_kinds[i]);
        read_mail(&read, &draft.mail, "The Shop <shop@shop.example>");
        assert_true(str_starts_with(read.head, STR("From: The Shop <shop@shop.example>\r\n"
                                                   "To: you@example.com\r\n"
                                                   "Subject: ")));
        assert_true(holds(read.head, "\r\nDate: Sat, 28 Nov 2026 09:00:00 +0000\r\n"
                                     "Message-ID: <evt_01KAW6B8Q0000000000000000C@shop.example>\r\n"
                                     "Auto-Submitted: auto-generated\r\n"
                                     "MIME-Version: 1.0\r\n"
                                     "Content-Type: multipart/alternative; boundary=\"=_daybook\""));
        struct str text = buf_text(&read.text), html = buf_text(&read.html);
        for (size_t value = 0; value < draft.mail.value_count; value++) {
            char sample[64];
            snprintf(sample, sizeof sample, "%.*s", STR_ARGS(draft.values[value].text));
            assert_true(holds(text, sample));
            assert_true(holds(html, sample));
        }
        assert_true(str_starts_with(html, STR("<!doctype html>")));
        assert_false(holds(text, "{{") || holds(html, "{{") || holds(read.head, "{{"));
        assert_false(holds(text, "example//") || holds(html, "example//"));
        assert_true(holds(text, "https://shop.example") || holds(html, "https://shop.example"));
        read_mail_release(&read);
    }
}

static void links_have_their_token_where_no_server_sees_it(void **state) {
    (void)state;
    static const char *const links[][2] = {
        {"verify", "verification"}, {"reset", "password"}, {"email_change", "email"}};
    for (size_t i = 0; i < ARRAY_LENGTH(links); i++) {
        struct draft draft;
        struct read_mail read;
        char link[256], html_link[256];
        draft_begin(&draft, kind_named(links[i][0]));
        read_mail(&read, &draft.mail, "shop@shop.example");
        snprintf(link, sizeof link, "\nhttps://shop.example/account/%s#customer=%s&token=%s\n", links[i][1],
                 samples[0][1], samples[1][1]);
        snprintf(html_link, sizeof html_link, "<a href=\"https://shop.example/account/%s#customer=%s&amp;token=%s\">",
                 links[i][1], samples[0][1], samples[1][1]);
        assert_true(holds(buf_text(&read.text), link));
        assert_true(holds(buf_text(&read.html), html_link));
        read_mail_release(&read);
    }
}

static void a_value_is_text_in_html_and_in_a_subject(void **state) {
    (void)state;
    struct draft draft;
    struct read_mail read;
    draft_begin(&draft, kind_named("order_confirmed"));
    draft.values[0].text = STR("<b> & \"\xc3\xbc\" '{{token}}' =_daybook--");
    read_mail(&read, &draft.mail, "shop@shop.example");
    assert_true(holds(buf_text(&read.html), "&lt;b&gt; &amp; &quot;\xc3\xbc&quot; &#39;{{token}}&#39;"));
    assert_false(holds(buf_text(&read.html), "<b>"));
    assert_true(holds(buf_text(&read.text), "<b> & \"\xc3\xbc\" '{{token}}' =_daybook--"));
    assert_true(holds(read.head, "Subject: =?UTF-8?Q?Your_order_=3Cb=3E"));
    read_mail_release(&read);
}

static void assert_refused(const struct mail *mail, const char *from) {
    const char *why = NULL;
    struct buf out;
    buf_init(&out, MAIL_MAX_BYTES);
    buf_str(&out, STR("before"));
    if (mail_write(&out, mail, str_of_cstr(from), &why)) {
        fail_msg("taken: %.*s", STR_ARGS(buf_text(&out)));
    }
    assert_non_null(why);
    assert_true(str_equal(buf_text(&out), STR("before")));
    buf_release(&out);
}

static void an_order_is_listed_line_by_line(void **state) {
    (void)state;
    struct draft draft;
    struct read_mail read;
    draft_begin(&draft, kind_named("order_confirmed"));
    read_mail(&read, &draft.mail, "shop@shop.example");
    assert_true(holds(buf_text(&read.text), "is confirmed.\nYour reference: R-2026-11\n\n"
                                            "2 x Green tea: 7.00 EUR\n1 x Pot & lid: 24.99 EUR\nand 450 more\n"
                                            "Total: 31.99 EUR\n"));
    assert_true(holds(buf_text(&read.html), "<td>Green tea</td><td style=\"text-align: right\">7.00 EUR</td></tr>\n"
                                            "<tr><td>1 x</td><td>Pot &amp; lid</td>"));
    read_mail_release(&read);
}

static void what_is_empty_is_left_out_with_what_stands_around_it(void **state) {
    (void)state;
    struct draft draft;
    struct read_mail read;
    draft_begin(&draft, kind_named("order_confirmed"));
    for (size_t i = 0; i < draft.mail.value_count; i++) {
        bool is_left_out = strcmp(draft.values[i].name, "reference") == 0 || strcmp(draft.values[i].name, "more") == 0;
        draft.values[i].text = is_left_out ? STR("") : draft.values[i].text;
    }
    draft.mail.rows.count = 1;
    read_mail(&read, &draft.mail, "shop@shop.example");
    assert_true(holds(buf_text(&read.text), "is confirmed.\n\n2 x Green tea: 7.00 EUR\nTotal: 31.99 EUR\n"));
    assert_false(holds(buf_text(&read.html), "reference") || holds(buf_text(&read.html), "more"));
    read_mail_release(&read);
}

static void a_row_is_one_line_too(void **state) {
    (void)state;
    struct draft draft;
    struct mail_value broken[ROWS * ROW_VALUES];
    memcpy(broken, goods, sizeof broken);
    broken[ROWS * ROW_VALUES - 2].text = STR("Pot\r\nBcc: x@example.com");
    draft_begin(&draft, kind_named("order_confirmed"));
    draft.mail.rows.values = broken;
    assert_refused(&draft.mail, "shop@shop.example");
}

static void the_same_mail_is_the_same_bytes(void **state) {
    (void)state;
    struct draft draft;
    struct read_mail first, second;
    draft_begin(&draft, kind_named("reused"));
    read_mail(&first, &draft.mail, "shop@shop.example");
    read_mail(&second, &draft.mail, "shop@shop.example");
    assert_true(str_equal(buf_text(&first.bytes), buf_text(&second.bytes)));
    read_mail_release(&first);
    read_mail_release(&second);
}

static void nothing_can_become_a_field_of_its_own(void **state) {
    (void)state;
    static const char *const values[] = {
        "A\r\nBcc: x@example.com", "A\nBcc: x@example.com", "A\rB", "A\tB", "\x7f", "\x1b[2J", "no UTF-8: \xff"};
    static const char *const addresses[] = {"", "you", "you@example.com\r\nBcc: x@example.com",
                                            "you@example.com, x@example.com", "<you@example.com>"};
    static const char *const senders[] = {"",
                                          "The Shop",
                                          "The Shop <shop@shop.example",
                                          "The Shop <>",
                                          "A\r\nBcc: x@example.com <shop@shop.example>",
                                          "\"a\"b\" <shop@shop.example>",
                                          "shop@shop.example\r\nBcc: x@example.com",
                                          "a > b <shop@shop.example>"};
    static const char *const ids[] = {"",
                                      "evt_1@shop.example",
                                      "<evt_1>",
                                      "<@shop.example>",
                                      "<evt_1@>",
                                      "<a@b@c>",
                                      "<evt_1@shop.example>\r\nBcc: x@example.com>",
                                      "<a b@shop.example>",
                                      "<a<b@shop.example>"};
    static const char *const urls[] = {"", "shop.example", "javascript:alert(1)", "https://shop.example\r\nBcc: x"};
    struct draft draft;
    draft_begin(&draft, kind_named("order_confirmed"));
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        draft.values[0].text = str_of_cstr(values[i]);
        assert_refused(&draft.mail, "shop@shop.example");
    }
    draft.values[0].text = STR("a\0b");
    assert_refused(&draft.mail, "shop@shop.example");
    draft_begin(&draft, kind_named("order_confirmed"));
    for (size_t i = 0; i < ARRAY_LENGTH(senders); i++) {
        assert_refused(&draft.mail, senders[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        draft.mail.to = str_of_cstr(addresses[i]);
        assert_refused(&draft.mail, "shop@shop.example");
    }
    draft_begin(&draft, kind_named("order_confirmed"));
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        draft.mail.message_id = str_of_cstr(ids[i]);
        assert_refused(&draft.mail, "shop@shop.example");
    }
    draft_begin(&draft, kind_named("order_confirmed"));
    for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
        draft.mail.public_url = str_of_cstr(urls[i]);
        assert_refused(&draft.mail, "shop@shop.example");
    }
}

static void what_has_no_room_is_refused_whole(void **state) {
    (void)state;
    static char longest[MAIL_VALUE_MAX_BYTES + 1];
    memset(longest, '=', sizeof longest);
    struct draft draft;
    struct read_mail read;
    draft_begin(&draft, kind_named("order_confirmed"));
    draft.values[0].text = str_of(longest, sizeof longest);
    assert_refused(&draft.mail, "shop@shop.example");
    draft.values[0].text.len--;
    read_mail(&read, &draft.mail, "shop@shop.example");
    const char *why = NULL;
    struct buf small;
    buf_init(&small, read.bytes.len - 1);
    assert_false(mail_write(&small, &draft.mail, STR("shop@shop.example"), &why));
    assert_int_equal(small.len, 0);
    assert_non_null(why);
    buf_release(&small);
    read_mail_release(&read);
}

static void a_sender_is_an_address_with_or_without_a_name(void **state) {
    (void)state;
    static const char *const rows[][3] = {{"shop@shop.example", "", "shop@shop.example"},
                                          {"<shop@shop.example>", "", "shop@shop.example"},
                                          {"The Shop <shop@shop.example>", "The Shop", "shop@shop.example"},
                                          {"\"Tea, Ltd.\"  <shop@shop.example>", "Tea, Ltd.", "shop@shop.example"}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct str name, address;
        assert_true(mail_sender_read(str_of_cstr(rows[i][0]), &name, &address));
        assert_true(str_equal(name, str_of_cstr(rows[i][1])));
        assert_true(str_equal(address, str_of_cstr(rows[i][2])));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_a_mail_of_two_parts_that_say_the_same),
        cmocka_unit_test(links_have_their_token_where_no_server_sees_it),
        cmocka_unit_test(a_value_is_text_in_html_and_in_a_subject),
        cmocka_unit_test(an_order_is_listed_line_by_line),
        cmocka_unit_test(what_is_empty_is_left_out_with_what_stands_around_it),
        cmocka_unit_test(a_row_is_one_line_too),
        cmocka_unit_test(the_same_mail_is_the_same_bytes),
        cmocka_unit_test(nothing_can_become_a_field_of_its_own),
        cmocka_unit_test(what_has_no_room_is_refused_whole),
        cmocka_unit_test(a_sender_is_an_address_with_or_without_a_name),
    };
    return cmocka_run_group_tests_name("mail_text", tests, NULL, NULL);
}
