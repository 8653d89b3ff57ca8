/* person.c: somebody who registers, proves his mailbox, logs in and out, forgets his password, takes an authenticator
 * and loses it, is robbed of his tokens, is suspended and let in again, moves to another address and is erased in the
 * end, or not; and whoever wants the same address.
 *
 * The front's part is played here as well: it states whether a password was right. What is sealed is made up. */
#include "core/testing/simulator/shopper_parts.h"

#include "core/domain/customer/customer.h"
#include "gen/codec.h"

enum {
    LOGINS_AT_ONCE = 3, /* more guesses at once than one front would ask */
    WRONG_ONE_IN = 3,   /* passwords */
    GUESSES_MOST = 14,  /* of one who will not stop: more than lock an account */
    EXPIRES_ONE_IN = 40,
    SUSPENDED_ACTS = 3, /* that somebody tries in vain before he is let in again */
};

struct person {
    uint32_t number;
    uint32_t acts_left;
    struct customer_state known; /* as he was told last; ABSENT: not yet */
    struct str stream;
    int64_t step; /* of his authenticator's newest code */
};

static void act(void *context);

/* ---- what he knows ----------------------------------------------------------------------------------------------- */

static struct str address(uint64_t number) {
    return arena_printf(&clients.arena, "idn_01ARZ3NDEKTSV4RRFFQ69G5F%02u", (unsigned)number);
}

static struct str any_address(void) {
    return address(sim_random(clients.plan.addresses));
}

static struct sealed sealed_text(const struct person *person) {
    return (struct sealed){.key_id = arena_printf(&clients.arena, "per_%u", person->number),
                           .nonce = STR("nonce"),
                           .ciphertext = arena_printf(&clients.arena, "made up, %u", clients.errands)};
}

/* Answers with tokens say nothing of addresses. */
static bool is_brief(const struct errand *errand) {
    return errand->command.type == COMMAND_OPEN_SESSION || errand->command.type == COMMAND_REFRESH_SESSION;
}

/* What the answer shows; a refusal shows nothing. */
static void learn(struct person *person, const struct errand *errand) {
    const struct journal_told *told = &errand->entry->told;
    uint32_t schema_id;
    struct str avro;
    struct customer_state state;
    const char *why;
    if (errand_is_accepted(errand) && str_starts_with(told->stream, STR("cus_")) &&
        frame_read(told->resource, &schema_id, &avro) &&
        customer_state_decode_as(&clients.arena, schema_id, avro, &state, &why)) {
        if (is_brief(errand)) {
            state.addresses = person->known.addresses;
        }
        person->known = state;
        person->stream = told->stream;
    }
}

static void on_act_end(struct errand *errand) {
    struct person *person = errand->context;
    learn(person, errand);
    actor_thinks(act, person);
}

static const char *himself(const struct person *person) {
    return arena_printf(&clients.arena, "customer:%.*s", STR_ARGS(person->stream)).data;
}

static struct errand person_errand(struct person *person, uint16_t command_type) {
    struct errand errand = errand_of(person->number, command_type, person->stream, on_act_end, person);
    errand.actor = sim_random(2) == 0 ? NULL : himself(person);
    return errand;
}

static bool is_right(void) {
    return sim_random(WRONG_ONE_IN) != 0;
}

/* ---- registering ------------------------------------------------------------------------------------------------- */

static void register_him(struct person *person) {
    struct errand errand = errand_of(person->number, COMMAND_REGISTER_CUSTOMER, STR(""), on_act_end, person);
    errand.created_prefix = "cus_";
    errand.command.as.register_customer = (struct register_customer){
        .email = sealed_text(person),
        .has_name = sim_random(2) == 0,
        .name = sealed_text(person),
        .password = sealed_text(person),
        .identity = any_address(),
        .key_id = arena_printf(&clients.arena, "per_%u", person->number),
        .email_key = STR("per_of_the_address"),
        .verified = sim_random(8) == 0,
    };
    (void)errand_begin(&errand);
}

static void verify(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_VERIFY_CUSTOMER);
    errand.actor = NULL;
    errand.command.as.verify_customer = (struct verify_customer){
        .number = person->known.verification_number,
        .password_number = person->known.password_number,
        .proved = sim_random(8) != 0,
    };
    (void)errand_begin(&errand);
}

/* As the timer does it a week later, or sooner; whom it finds verified it lets be. */
static void expire(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_EXPIRE_REGISTRATION);
    errand.actor = "system";
    (void)errand_begin(&errand);
}

/* ---- codes ------------------------------------------------------------------------------------------------------- */

struct sent_code {
    int64_t step;
    int32_t recovery;
};

/* The newest, one that was used, a recovery code, a wrong one, or none. */
static struct sent_code draw_code(struct person *person) {
    switch (sim_random(8)) {
    case 0:
        return (struct sent_code){0};
    case 1:
        return (struct sent_code){.step = -1};
    case 2:
        return (struct sent_code){.step = person->step};
    case 3:
    case 4:
        return (struct sent_code){.recovery = 1 + (int32_t)sim_random(CUSTOMER_RECOVERY_CODES)};
    default:
        return (struct sent_code){.step = ++person->step};
    }
}

static void begin_totp(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_BEGIN_TOTP);
    errand.command.as.begin_totp =
        (struct begin_totp){.password_number = person->known.password_number, .proved = is_right()};
    (void)errand_begin(&errand);
}

static void confirm_totp(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_CONFIRM_TOTP);
    errand.command.as.confirm_totp = (struct confirm_totp){.totp_number = person->known.totp_number,
                                                           .step = sim_random(8) == 0 ? 0 : ++person->step};
    (void)errand_begin(&errand);
}

static struct errand ending_totp(struct person *person, bool proved) {
    struct errand errand = person_errand(person, COMMAND_END_TOTP);
    struct sent_code code = draw_code(person);
    errand.command.as.end_totp = (struct end_totp){
        .password_number = person->known.password_number,
        .proved = proved,
        .totp_number = person->known.totp_number,
        .step = code.step,
        .recovery = code.recovery,
    };
    return errand;
}

static void end_totp(struct person *person) {
    struct errand errand = ending_totp(person, is_right());
    (void)errand_begin(&errand);
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static struct errand login(struct person *person, bool proved) {
    struct errand errand = person_errand(person, COMMAND_OPEN_SESSION);
    errand.actor = NULL;
    errand.command.as.open_session =
        (struct open_session){.password_number = person->known.password_number,
                              .proved = proved,
                              .replaces = sim_random(2) == 0 ? person->known.touched_session : 0};
    if (person->known.totp == TOTP_STATUS_ON) {
        struct sent_code code = draw_code(person);
        errand.command.as.open_session.totp_number = person->known.totp_number;
        errand.command.as.open_session.totp_step = code.step;
        errand.command.as.open_session.recovery = code.recovery;
    }
    return errand;
}

static void log_in(struct person *person) {
    struct errand errand = login(person, is_right());
    (void)errand_begin(&errand);
}

static struct errand changing_password(struct person *person, bool proved) {
    struct errand errand = person_errand(person, COMMAND_CHANGE_PASSWORD);
    errand.command.as.change_password = (struct change_password){
        .password = sealed_text(person),
        .password_number = person->known.password_number,
        .proved = proved,
        .session = person->known.touched_session,
    };
    if (person->known.totp == TOTP_STATUS_ON) {
        struct sent_code code = draw_code(person);
        errand.command.as.change_password.totp_number = person->known.totp_number;
        errand.command.as.change_password.totp_step = code.step;
        errand.command.as.change_password.recovery = code.recovery;
    }
    return errand;
}

/* At several fronts at once; who asked goes on when the last was answered. */
static void guess_at(struct person *person, struct errand (*of)(struct person *person, bool proved)) {
    uint64_t guesses = 1 + sim_random(sim_random(3) == 0 ? GUESSES_MOST : LOGINS_AT_ONCE);
    for (; guesses > 0; guesses--) {
        struct errand errand = of(person, guesses == 1 && is_right());
        errand.on_end = guesses == 1 ? on_act_end : NULL;
        (void)errand_begin(&errand);
    }
}

static void guess(struct person *person) {
    guess_at(person, login);
}

/* A thief of a session who wants the password as well, or the authenticator gone. */
static void guess_within(struct person *person) {
    guess_at(person, sim_random(2) == 0 ? changing_password : ending_totp);
}

/* The newest token, or one of before: whoever copied it. */
static void refresh(struct person *person) {
    int32_t generation = person->known.touched_generation;
    bool is_thief = generation > 1 && sim_random(4) == 0;
    struct errand errand = person_errand(person, COMMAND_REFRESH_SESSION);
    errand.actor = NULL;
    errand.command.as.refresh_session = (struct refresh_session){
        .session = person->known.touched_session > 0 ? person->known.touched_session : 1,
        .generation = is_thief ? generation - 1 : generation,
    };
    (void)errand_begin(&errand);
}

static void end_sessions(struct person *person) {
    bool is_one = sim_random(2) == 0;
    struct errand errand = person_errand(person, is_one ? COMMAND_END_SESSION : COMMAND_END_SESSIONS);
    int32_t session = 1 + (int32_t)sim_random((uint64_t)person->known.sessions_opened + 1);
    if (is_one) {
        errand.command.as.end_session = (struct end_session){.session = session, .reason = STR("request")};
    } else {
        errand.command.as.end_sessions.kept = sim_random(2) == 0 ? session : 0;
    }
    (void)errand_begin(&errand);
}

static void change_password(struct person *person) {
    struct errand errand = changing_password(person, is_right());
    (void)errand_begin(&errand);
}

/* Anybody may. */
static void ask_reset(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_REQUEST_PASSWORD_RESET);
    (void)errand_begin(&errand);
}

static void reset_password(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_RESET_PASSWORD);
    errand.command.as.reset_password =
        (struct reset_password){.number = person->known.reset_number, .password = sealed_text(person)};
    (void)errand_begin(&errand);
}

/* ---- another address --------------------------------------------------------------------------------------------- */

static void change_email(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_CHANGE_EMAIL);
    errand.command.as.change_email = (struct change_email){
        .email = sealed_text(person),
        .identity = any_address(),
        .email_key = STR("per_of_the_address"),
        .password_number = person->known.password_number,
        .proved = sim_random(8) != 0,
    };
    if (person->known.totp == TOTP_STATUS_ON) {
        struct sent_code code = draw_code(person);
        errand.command.as.change_email.totp_number = person->known.totp_number;
        errand.command.as.change_email.totp_step = code.step;
        errand.command.as.change_email.recovery = code.recovery;
    }
    (void)errand_begin(&errand);
}

static void confirm_email(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_CONFIRM_EMAIL);
    errand.actor = sim_random(8) == 0 ? NULL : himself(person); /* else whoever reads the mail clicks */
    errand.command.as.confirm_email.number = person->known.email_number;
    (void)errand_begin(&errand);
}

/* ---- what the house does ----------------------------------------------------------------------------------------- */

static void set_roles(struct person *person) {
    static struct role_grant roles[] = {{.role = {"support", 7}}, {.role = {"admin", 5}}};
    struct errand errand = person_errand(person, COMMAND_SET_ROLES);
    errand.actor = "admin:key_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    uint32_t count = (uint32_t)sim_random(ARRAY_LENGTH(roles) + 1);
    errand.command.as.set_roles.roles = (struct role_grant_array){roles, count, count};
    (void)errand_begin(&errand);
}

static void remove_totp(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_REMOVE_TOTP);
    errand.actor = "support:key_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    (void)errand_begin(&errand);
}

static void unlock(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_UNLOCK_CUSTOMER);
    errand.actor = "support:key_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    (void)errand_begin(&errand);
}

/* Whom it finds suspended it lets in again, mostly: else there would soon be nobody who does anything. */
static void suspend(struct person *person) {
    bool is_suspended = person->known.status == CUSTOMER_STATUS_SUSPENDED;
    bool suspends = sim_random(8) == 0 ? is_suspended : !is_suspended;
    struct errand errand = person_errand(person, suspends ? COMMAND_SUSPEND_CUSTOMER : COMMAND_REINSTATE_CUSTOMER);
    errand.actor = "admin:key_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    if (suspends) {
        errand.command.as.suspend_customer.reason = STR("robbed");
    }
    (void)errand_begin(&errand);
}

static void end_all_sessions(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_END_SESSIONS);
    errand.actor = "admin:key_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    (void)errand_begin(&errand);
}

static void erase(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_ERASE_CUSTOMER);
    errand.actor = sim_random(2) == 0 ? "admin:key_01ARZ3NDEKTSV4RRFFQ69G5FAV" : errand.actor;
    errand.command.as.erase_customer =
        (struct erase_customer){.password_number = person->known.password_number, .proved = is_right()};
    (void)errand_begin(&errand);
}

/* Said by nobody who destroyed a key: it must have no effect on who is not being erased. */
static void record_erasure(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_RECORD_ERASURE);
    errand.actor = "system";
    (void)errand_begin(&errand);
}

/* ---- his days ---------------------------------------------------------------------------------------------------- */

static void change_profile(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_CHANGE_PROFILE);
    errand.command.as.change_profile = (struct change_profile){.has_name = true, .name = sealed_text(person)};
    (void)errand_begin(&errand);
}

static void put_address(struct person *person) {
    struct errand errand = person_errand(person, COMMAND_PUT_ADDRESS);
    const struct customer_address_array *kept = &person->known.addresses;
    bool is_again = kept->count > 0 && sim_random(2) == 0;
    errand.command.as.put_address = (struct put_address){
        .id = is_again ? kept->items[sim_random(kept->count)].id : STR(""), .address = sealed_text(person)};
    (void)errand_begin(&errand);
}

static void act(void *context) {
    static const struct {
        void (*act)(struct person *person);
        uint32_t weight;
    } acts[] = {{verify, 6},        {log_in, 14},    {guess, 5},           {guess_within, 4},    {refresh, 12},
                {end_sessions, 5},  {ask_reset, 4},  {reset_password, 4},  {change_password, 3}, {change_email, 6},
                {confirm_email, 6}, {begin_totp, 5}, {confirm_totp, 6},    {end_totp, 4},        {remove_totp, 1},
                {set_roles, 2},     {unlock, 2},     {erase, 2},           {record_erasure, 2},  {change_profile, 1},
                {put_address, 3},   {suspend, 3},    {end_all_sessions, 1}};
    struct person *person = context;
    if (person->acts_left == 0) {
        actor_is_idle();
        return;
    }
    person->acts_left--;
    if (str_is_empty(person->stream)) {
        register_him(person);
        return;
    }
    if (person->known.status == CUSTOMER_STATUS_UNVERIFIED && sim_random(EXPIRES_ONE_IN) == 0) {
        expire(person);
        return;
    }
    if (person->known.status == CUSTOMER_STATUS_UNVERIFIED && sim_random(3) != 0) {
        verify(person);
        return;
    }
    if (person->known.totp == TOTP_STATUS_PENDING && sim_random(2) == 0) {
        confirm_totp(person);
        return;
    }
    if (person->known.status == CUSTOMER_STATUS_SUSPENDED && sim_random(SUSPENDED_ACTS) == 0) {
        suspend(person);
        return;
    }
    uint32_t total = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(acts); i++) {
        total += acts[i].weight;
    }
    uint64_t drawn = sim_random(total);
    size_t at = 0;
    while (drawn >= acts[at].weight) {
        drawn -= acts[at++].weight;
    }
    acts[at].act(person);
}

void person_start(uint32_t number) {
    struct person *person = arena_alloc(&clients.arena, sizeof *person);
    person->number = number;
    person->acts_left = clients.plan.person_acts;
    actor_is_busy();
    actor_thinks(act, person);
}
