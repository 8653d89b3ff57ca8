/* actor.h: who asks, as meta.actor says it, and whether the thing is his.
 *
 * Form     anonymous, system, or <capacity>:<id>, of a vendor with his name behind it: guest:<hash>, customer:cus_..,
 *          vendor:cus_..:<name>, support:cus_.., admin:cus_.., analyst:.., auditor:.., service:key_.., provider:<name>.
 *          A guest who is known besides is guest:<hash>:cus_..: he brings a cart's token and is logged in.
 *          The capacity is the one in which the front let him in; what else he may be does not count.
 * Why here ownership is decided where the truth is: by the stream's one writer, on its state, without query or clock.
 * Promise  a text that names no capacity is ACTOR_OTHER, which may touch nothing.
 * Memory   texts point into the text that was read.
 * Thread   pure; any.            May use: base.
 */
#pragma once

#include "core/base/str.h"

enum actor_kind {
    ACTOR_OTHER,
    ACTOR_ANONYMOUS,
    ACTOR_GUEST, /* who holds a cart's token */
    ACTOR_CUSTOMER,
    ACTOR_VENDOR,
    ACTOR_STAFF, /* support, admin, analyst, auditor: a person, or a key in that role */
    ACTOR_SERVICE,
    ACTOR_PROVIDER,
    ACTOR_SYSTEM,
};

struct actor {
    enum actor_kind kind;
    struct str id;     /* cus_.., key_.., a guest's hash, a provider's name; empty for anonymous and system */
    struct str vendor; /* of ACTOR_VENDOR alone */
    struct str person; /* of ACTOR_GUEST alone: who he is besides; empty when nobody knows */
};

struct actor actor_of(struct str text);

/* Of carts, orders and payments. A customer: his own alone. A vendor: none. Anonymous and guests: those without a
 * customer, where the front has looked at the token; a guest who is known also his own, since what he bought by the
 * token is his. Staff, services, providers and the system: all. */
bool actor_may_touch_purchase(struct str actor, bool has_customer, struct str customer);

/* A vendor: his own goods. Everybody else: all; that he may change products at all is the front's to decide, which lets
 * in anonymous and guests where access is open. */
bool actor_may_touch_product(struct str actor, bool has_vendor, struct str vendor);
