/* shopper_provider.c: what goes between the simulated provider and the clients' side of the world: its webhooks come in
 * at a front, and shoppers take the steps that it asks of them. */
#include <stdio.h>

#include "core/testing/simulator/provider.h"
#include "core/testing/simulator/shopper.h"

static void take_webhook(const struct sim_ledger_entry *entry, void (*on_taken)(void *context, bool is_taken),
                         void *context) {
    char reference[32], charge[sizeof entry->payment + sizeof ".charge"];
    snprintf(charge, sizeof charge, "%s.charge", entry->payment);
    const struct record_provider_outcome outcome = {
        /* A dispute is of what the charge took: nobody asked for it under a key of its own. */
        .intent = str_of_cstr(entry->operation == SIM_DISPUTE ? charge : entry->key),
        .result = str_of_cstr(entry->result),
        .amount = {entry->amount_minor, str_of_cstr(entry->currency)},
        .provider_ref = sim_provider_ref(entry, reference),
        .code = str_of_cstr(entry->code),
    };
    front_webhook(shoppers_front(0), str_of_cstr(entry->payment), &outcome, on_taken, context);
}

void shoppers_meet_provider(void) {
    sim_provider_on_decided = take_webhook;
    sim_provider_shoppers_act = 0;
    shoppers_act_at_provider = sim_provider_act;
}
