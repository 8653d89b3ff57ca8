#include "core/connect/provider.h"

bool provider_outcome_is_news(const struct provider_outcome *outcome, enum intent_heard heard) {
    bool is_decided = outcome->answer == PROVIDER_DECIDED;
    switch (heard) {
    case HEARD_NOTHING:
        return true;
    case HEARD_ACTION_REQUIRED:
        return outcome->answer == PROVIDER_NOT_FOUND ||
               (is_decided && !str_equal(outcome->result, STR("action_required")));
    case HEARD_AUTHORIZED:
        return is_decided && str_equal(outcome->result, STR("captured"));
    }
    return true;
}
