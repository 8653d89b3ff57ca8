#include "core/domain/actor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/macros.h"

static const struct {
    const char *text;
    enum actor_kind kind;
    const char *id, *vendor, *person;
} texts[] = {
    {"anonymous", ACTOR_ANONYMOUS, "", "", ""},
    {"system", ACTOR_SYSTEM, "", "", ""},
    {"guest:h4sh", ACTOR_GUEST, "h4sh", "", ""},
    {"guest:h4sh:cus_1", ACTOR_GUEST, "h4sh", "", "cus_1"},
    {"guest::cus_1", ACTOR_OTHER, "", "", ""},
    {"customer:cus_1:cus_2", ACTOR_CUSTOMER, "cus_1:cus_2", "", ""},
    {"customer:cus_1", ACTOR_CUSTOMER, "cus_1", "", ""},
    {"vendor:cus_1:Acme: Tools", ACTOR_VENDOR, "cus_1", "Acme: Tools", ""},
    {"vendor:cus_1", ACTOR_VENDOR, "cus_1", "", ""},
    {"support:cus_2", ACTOR_STAFF, "cus_2", "", ""},
    {"admin:key_1", ACTOR_STAFF, "key_1", "", ""},
    {"analyst:cus_3", ACTOR_STAFF, "cus_3", "", ""},
    {"auditor:cus_4", ACTOR_STAFF, "cus_4", "", ""},
    {"service:key_2", ACTOR_SERVICE, "key_2", "", ""},
    {"provider:test", ACTOR_PROVIDER, "test", "", ""},
    {"", ACTOR_OTHER, "", "", ""},
    {":", ACTOR_OTHER, "", "", ""},
    {":cus_1", ACTOR_OTHER, "", "", ""},
    {"customer", ACTOR_OTHER, "", "", ""},
    {"customer:", ACTOR_OTHER, "", "", ""},
    {"vendor::Acme", ACTOR_OTHER, "", "", ""},
    {"Admin:cus_1", ACTOR_OTHER, "", "", ""},
    {"admins:cus_1", ACTOR_OTHER, "", "", ""},
    {"system ", ACTOR_OTHER, "", "", ""},
    {"root:cus_1", ACTOR_OTHER, "", "", ""},
};

static void a_text_says_who_asks_and_in_which_capacity(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct actor actor = actor_of(str_of_cstr(texts[i].text));
        if (actor.kind != texts[i].kind) {
            fail_msg("%s is of kind %d", texts[i].text, (int)actor.kind);
        }
        if (actor.kind != ACTOR_OTHER) {
            assert_true(str_equal(actor.id, str_of_cstr(texts[i].id)));
            assert_true(str_equal(actor.vendor, str_of_cstr(texts[i].vendor)));
            assert_true(str_equal(actor.person, str_of_cstr(texts[i].person)));
        }
    }
}

/* May he touch: a guest's purchase, that of cus_1, that of cus_2; a product without vendor, Acme's, another's? */
static const struct {
    const char *actor;
    bool guests, of_1, of_2;
    bool nobodys, acmes, anothers;
} rights[] = {
    {"anonymous", true, false, false, true, true, true},
    {"guest:h4sh", true, false, false, true, true, true},
    {"guest:cus_1", true, false, false, true, true, true},
    {"guest:h4sh:cus_1", true, true, false, true, true, true},
    {"guest:h4sh:", true, false, false, true, true, true},
    {"customer:cus_1", false, true, false, true, true, true},
    {"customer:cus_2", false, false, true, true, true, true},
    {"vendor:cus_1:Acme", false, false, false, false, true, false},
    {"vendor:cus_1", false, false, false, false, false, false},
    {"support:cus_1", true, true, true, true, true, true},
    {"admin:cus_9", true, true, true, true, true, true},
    {"service:key_1", true, true, true, true, true, true},
    {"provider:test", true, true, true, true, true, true},
    {"system", true, true, true, true, true, true},
    {"customer:", false, false, false, false, false, false},
    {"", false, false, false, false, false, false},
};

static void a_thing_is_touched_by_whose_it_is(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rights); i++) {
        struct str actor = str_of_cstr(rights[i].actor);
        bool is_right = actor_may_touch_purchase(actor, false, STR("")) == rights[i].guests &&
                        actor_may_touch_purchase(actor, true, STR("cus_1")) == rights[i].of_1 &&
                        actor_may_touch_purchase(actor, true, STR("cus_2")) == rights[i].of_2 &&
                        actor_may_touch_product(actor, false, STR("")) == rights[i].nobodys &&
                        actor_may_touch_product(actor, true, STR("Acme")) == rights[i].acmes &&
                        actor_may_touch_product(actor, true, STR("Acme Tools")) == rights[i].anothers;
        if (!is_right) {
            fail_msg("\"%s\" may do something else", rights[i].actor);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_says_who_asks_and_in_which_capacity),
        cmocka_unit_test(a_thing_is_touched_by_whose_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
