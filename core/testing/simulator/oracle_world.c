/* oracle_world.c: the simulator's own log and ledger, as the oracle reads them. */
#include "core/testing/simulator/oracle.h"

#include "core/testing/simulator/post.h"
#include "core/testing/simulator/provider.h"

static int64_t group_offset(const char *group, const char *topic, int32_t partition) {
    struct broker_offset offset;
    bool is_known = broker_group_offset(group, topic, partition, false, NULL, &offset) == RD_KAFKA_RESP_ERR_NO_ERROR;
    return is_known ? offset.offset : -1;
}

static struct oracle_payment payment_at(size_t index) {
    const struct sim_ledger_payment *payment = sim_ledger_payment_at(index);
    return (struct oracle_payment){
        .payment = str_of_cstr(payment->payment),
        .authorized_minor = payment->authorized_minor,
        .captured_minor = payment->captured_minor,
        .refunded_minor = payment->refunded_minor,
        .contested_minor = payment->contested_minor,
        .lost_minor = payment->lost_minor,
        .charges = payment->charges > payment->captures ? payment->charges : payment->captures,
        .is_voided = payment->is_voided,
    };
}

static size_t mail_count(void) {
    return sim_mail_count();
}

static struct oracle_mail mail_at(size_t index) {
    const struct sim_mail *mail = sim_mail_at((uint32_t)index);
    return (struct oracle_mail){.message_id = mail->message_id, .to = mail->to, .changed = mail->changed};
}

const struct oracle_sources oracle_world = {
    .partition = broker_partition,
    .stable_offset = broker_stable_offset,
    .group_offset = group_offset,
    .payment_count = sim_ledger_payment_count,
    .payment_at = payment_at,
    .has_lost = broker_has_lost,
    .webhooks_open = sim_provider_webhooks_open,
    .mail_count = mail_count,
    .mail_at = mail_at,
    .key_is_destroyed = sim_key_is_destroyed,
};
