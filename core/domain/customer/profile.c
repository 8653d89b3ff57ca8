/* profile.c: what a person says of himself: his name, addresses, and what his data may be used for. */
#include "core/domain/customer/parts.h"

enum rejection customer_change_profile(const struct customer_state *state, const struct change_profile *ask,
                                       struct decision *decision) {
    enum rejection refusal = customer_is_active(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    if (!ask->has_name) {
        return REJECT_NOTHING_TO_CHANGE;
    }
    decision_event(decision, EVENT_CUSTOMER_PROFILE_CHANGED)->as.customer_profile_changed =
        (struct customer_profile_changed){.has_name = true, .name = ask->name};
    return ACCEPTED;
}

static bool has_address(const struct customer_state *state, struct str id) {
    for (uint32_t i = 0; i < state->addresses.count; i++) {
        if (str_equal(state->addresses.items[i].id, id)) {
            return true;
        }
    }
    return false;
}

/* A new one is numbered; what was removed is not numbered again. */
enum rejection customer_put_address(const struct customer_state *state, const struct put_address *ask,
                                    struct decision *decision) {
    enum rejection refusal = customer_is_active(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    bool is_new = str_is_empty(ask->id);
    if (!is_new && !has_address(state, ask->id)) {
        return REJECT_UNKNOWN_ADDRESS;
    }
    if (is_new && state->addresses.count >= CUSTOMER_ADDRESSES_MAX) {
        return REJECT_TOO_MANY_ADDRESSES;
    }
    decision_event(decision, EVENT_CUSTOMER_ADDRESS_PUT)->as.customer_address_put = (struct customer_address_put){
        .id = is_new ? arena_printf(decision->arena, "%d", state->address_number + 1) : ask->id,
        .address = ask->address,
    };
    return ACCEPTED;
}

enum rejection customer_remove_address(const struct customer_state *state, const struct remove_address *ask,
                                       struct decision *decision) {
    enum rejection refusal = customer_is_active(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    if (!has_address(state, ask->id)) {
        return REJECT_UNKNOWN_ADDRESS;
    }
    decision_event(decision, EVENT_CUSTOMER_ADDRESS_REMOVED)->as.customer_address_removed =
        (struct customer_address_removed){.id = ask->id};
    return ACCEPTED;
}

enum rejection customer_set_consent(const struct customer_state *state, const struct set_consent *ask,
                                    struct decision *decision) {
    enum rejection refusal = customer_is_active(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    const struct consent *said = NULL;
    for (uint32_t i = 0; i < state->consents.count && said == NULL; i++) {
        said = str_equal(state->consents.items[i].purpose, ask->purpose) ? &state->consents.items[i] : NULL;
    }
    if (said == NULL && state->consents.count >= CUSTOMER_CONSENTS_MAX) {
        return REJECT_TOO_MANY_CONSENTS;
    }
    if (said == NULL || said->granted != ask->granted) {
        decision_event(decision, EVENT_CUSTOMER_CONSENT_CHANGED)->as.customer_consent_changed =
            (struct customer_consent_changed){.purpose = ask->purpose, .granted = ask->granted};
    }
    return ACCEPTED;
}
