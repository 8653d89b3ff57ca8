/* sku.h: one stock keeping unit: which product has it, what lies where, and for whom it is held.
 *
 * Purpose  all locations of a SKU are in one stream, so choosing where to take units from and holding them is one
 *          decision. Each hold (reservation) is a sub-state under the key of its owner, an order's attempt:
 *
 *              absent ------> held -----> confirmed
 *                |  reserve    | release      | release
 *                |             v              v
 *                +---------> released  <------+        (a tombstone: nothing is held under this key again)
 *                  release, or refused
 *
 * Promise  on_hand - reserved >= 0 at every location after every event. A reservation has no clock of its own; it ends
 *          when its owner says so. A release that overtakes its reservation leaves a tombstone, so the reservation
 *          that comes late holds nothing.
 * Whose    a product has it at a time. One that was given back goes to whichever asks first; but with units left of it,
 *          of those that ask for a vendor only to the one that had it last, so that no vendor takes another's goods.
 * Bounds   SKU_MAX_LOCATIONS locations of SKU_MAX_UNITS units.
 * Memory   events and states live in the arena handed over.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

enum { SKU_MAX_LOCATIONS = 100 };
#define SKU_MAX_UNITS INT64_C(1000000000000)

extern const struct aggregate sku_aggregate;

/* The life of a reservation; that of the SKU itself has no statuses. */
extern const struct status_table reservation_life;

/* `reservation` is that of the command's or event's owner; NULL for those that touch none. */
enum rejection sku_decide(const struct sku_state *state, const struct reservation_state *reservation,
                          const struct command *command, struct decision *decision);
void sku_evolve(struct sku_state *state, struct reservation_state *reservation, const struct event *event,
                struct arena *arena);

/* Units that are at hand and not held, in all locations. */
int64_t sku_available(const struct sku_state *state);
