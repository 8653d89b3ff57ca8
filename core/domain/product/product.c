#include "core/domain/product/product.h"

#include "core/domain/actor.h"
#include "core/domain/money.h"
#include "core/domain/product/barcode.h"
#include "core/domain/product/claim.h"
#include "core/domain/product/size.h"
#include "gen/codec.h"

static const struct status_change changes[] = {
    {EVENT_PRODUCT_DEFINED, PRODUCT_STATUS_ABSENT, PRODUCT_STATUS_DEFINING},

    /* While defining: the SKUs' answers. The last grant makes it a draft, unless another SKU was refused. */
    {EVENT_VARIANT_ADDED, PRODUCT_STATUS_DEFINING, PRODUCT_STATUS_DRAFT},
    {EVENT_VARIANT_REFUSED, PRODUCT_STATUS_DEFINING, PRODUCT_STATUS_DEFINING},
    {EVENT_VARIANT_REMOVED, PRODUCT_STATUS_DEFINING, PRODUCT_STATUS_DEFINING},
    {EVENT_VARIANT_PROPOSED, PRODUCT_STATUS_DEFINING, PRODUCT_STATUS_DEFINING},
    {EVENT_PRODUCT_ARCHIVED, PRODUCT_STATUS_DEFINING, PRODUCT_STATUS_ARCHIVED},

    {EVENT_PRODUCT_CHANGED, PRODUCT_STATUS_DRAFT, PRODUCT_STATUS_DRAFT},
    {EVENT_VARIANT_PROPOSED, PRODUCT_STATUS_DRAFT, PRODUCT_STATUS_DRAFT},
    {EVENT_VARIANT_ADDED, PRODUCT_STATUS_DRAFT, PRODUCT_STATUS_DRAFT},
    {EVENT_VARIANT_REFUSED, PRODUCT_STATUS_DRAFT, PRODUCT_STATUS_DRAFT},
    {EVENT_VARIANT_CHANGED, PRODUCT_STATUS_DRAFT, PRODUCT_STATUS_DRAFT},
    {EVENT_VARIANT_REMOVED, PRODUCT_STATUS_DRAFT, PRODUCT_STATUS_DRAFT},
    {EVENT_PRODUCT_PUBLISHED, PRODUCT_STATUS_DRAFT, PRODUCT_STATUS_PUBLISHED},
    {EVENT_PRODUCT_ARCHIVED, PRODUCT_STATUS_DRAFT, PRODUCT_STATUS_ARCHIVED},

    {EVENT_PRODUCT_CHANGED, PRODUCT_STATUS_PUBLISHED, PRODUCT_STATUS_PUBLISHED},
    {EVENT_VARIANT_PROPOSED, PRODUCT_STATUS_PUBLISHED, PRODUCT_STATUS_PUBLISHED},
    {EVENT_VARIANT_ADDED, PRODUCT_STATUS_PUBLISHED, PRODUCT_STATUS_PUBLISHED},
    {EVENT_VARIANT_REFUSED, PRODUCT_STATUS_PUBLISHED, PRODUCT_STATUS_PUBLISHED},
    {EVENT_VARIANT_CHANGED, PRODUCT_STATUS_PUBLISHED, PRODUCT_STATUS_PUBLISHED},
    {EVENT_VARIANT_REMOVED, PRODUCT_STATUS_PUBLISHED, PRODUCT_STATUS_PUBLISHED},
    {EVENT_PRODUCT_ARCHIVED, PRODUCT_STATUS_PUBLISHED, PRODUCT_STATUS_ARCHIVED},

    /* An archived product can still give its SKUs back. */
    {EVENT_VARIANT_REFUSED, PRODUCT_STATUS_ARCHIVED, PRODUCT_STATUS_ARCHIVED},
    {EVENT_VARIANT_REMOVED, PRODUCT_STATUS_ARCHIVED, PRODUCT_STATUS_ARCHIVED},
};
static const struct status_table life = {changes, ARRAY_LENGTH(changes)};

/* The variant with this SKU, or NULL. */
static struct variant *find_variant(const struct variant_array *variants, struct str sku) {
    for (uint32_t i = 0; i < variants->count; i++) {
        if (str_equal(variants->items[i].sku, sku)) {
            return &variants->items[i];
        }
    }
    return NULL;
}

static void remove_variant_from(struct variant_array *variants, struct str sku) {
    const struct variant *variant = find_variant(variants, sku);
    if (variant != NULL) {
        uint32_t index = (uint32_t)(variant - variants->items);
        ARRAY_REMOVE(variants, index);
    }
}

/* ---- what is the same -------------------------------------------------------------------------------------------- */

static bool optional_equal(bool has_a, struct str a, bool has_b, struct str b) {
    return has_a == has_b && (!has_a || str_equal(a, b));
}

static bool texts_equal(const struct str_array *a, const struct str_array *b) {
    bool equal = a->count == b->count;
    for (uint32_t i = 0; equal && i < a->count; i++) {
        equal = str_equal(a->items[i], b->items[i]);
    }
    return equal;
}

static bool attributes_equal(const struct attribute_array *a, const struct attribute_array *b) {
    bool equal = a->count == b->count;
    for (uint32_t i = 0; equal && i < a->count; i++) {
        equal = str_equal(a->items[i].name, b->items[i].name) && str_equal(a->items[i].value, b->items[i].value);
    }
    return equal;
}

static bool details_equal(const struct product_details *a, const struct product_details *b) {
    return str_equal(a->title, b->title) &&
           optional_equal(a->has_description, a->description, b->has_description, b->description) &&
           optional_equal(a->has_vendor, a->vendor, b->has_vendor, b->vendor) &&
           texts_equal(&a->categories, &b->categories) && texts_equal(&a->tags, &b->tags) &&
           attributes_equal(&a->attributes, &b->attributes) && texts_equal(&a->images, &b->images);
}

static bool variants_equal(const struct variant *a, const struct variant *b) {
    return str_equal(a->sku, b->sku) && optional_equal(a->has_barcode, a->barcode, b->has_barcode, b->barcode) &&
           optional_equal(a->has_title, a->title, b->has_title, b->title) &&
           attributes_equal(&a->attributes, &b->attributes) && money_equal(a->price, b->price) &&
           a->has_weight_g == b->has_weight_g && (!a->has_weight_g || a->weight_g == b->weight_g) &&
           optional_equal(a->has_tax_class, a->tax_class, b->has_tax_class, b->tax_class);
}

/* ---- decide: the product ----------------------------------------------------------------------------------------- */

/* ACCEPTED when the product takes changes. */
static enum rejection takes_changes(const struct product_state *state) {
    switch (state->status) {
    case PRODUCT_STATUS_ABSENT:
        return REJECT_UNKNOWN_PRODUCT;
    case PRODUCT_STATUS_DEFINING:
        return REJECT_NOT_PUBLISHED;
    case PRODUCT_STATUS_DRAFT:
    case PRODUCT_STATUS_PUBLISHED:
        return ACCEPTED;
    case PRODUCT_STATUS_ARCHIVED:
        return REJECT_PRODUCT_ARCHIVED;
    }
    return REJECT_UNKNOWN_PRODUCT;
}

/* A vendor's goods bear his name, whether he gives it or not. */
static bool names_another_vendor(const struct actor *actor, bool has_vendor, struct str vendor) {
    return actor->kind == ACTOR_VENDOR &&
           (str_is_empty(actor->vendor) || (has_vendor && !str_equal(vendor, actor->vendor)));
}

static enum rejection define_product(const struct product_state *state, const struct command *command,
                                     struct decision *decision) {
    const struct define_product *ask = &command->as.define_product;
    struct actor actor = actor_of(command->meta.actor);
    if (state->status != PRODUCT_STATUS_ABSENT) {
        return REJECT_ALREADY_EXISTS;
    }
    if (names_another_vendor(&actor, ask->has_vendor, ask->vendor)) {
        return decision_reject(decision, REJECT_OTHER_VENDOR, STR("/vendor"));
    }
    if (ask->variants.count == 0) {
        return decision_reject(decision, REJECT_NO_VARIANTS, STR("/variants"));
    }
    if (ask->variants.count > PRODUCT_MAX_VARIANTS) {
        return decision_reject(decision, REJECT_TOO_MANY_VARIANTS, STR("/variants"));
    }
    for (uint32_t i = 0; i < ask->variants.count; i++) {
        struct variant_array earlier = {ask->variants.items, i, i};
        if (find_variant(&earlier, ask->variants.items[i].sku) != NULL) {
            *ARRAY_PUSH(decision->arena, &decision->skus) = ask->variants.items[i].sku;
            return decision_reject(decision, REJECT_DUPLICATE_SKU,
                                   arena_printf(decision->arena, "/variants/%u/sku", i));
        }
        if (!barcode_can_be(ask->variants.items[i].barcode)) {
            return decision_reject(decision, REJECT_WRONG_CHECK_DIGIT,
                                   arena_printf(decision->arena, "/variants/%u/barcode", i));
        }
    }
    const struct product_details details = {
        .title = ask->title,
        .has_description = ask->has_description,
        .description = ask->description,
        .has_vendor = ask->has_vendor || actor.kind == ACTOR_VENDOR,
        .vendor = actor.kind == ACTOR_VENDOR ? actor.vendor : ask->vendor,
        .categories = ask->categories,
        .tags = ask->tags,
        .attributes = ask->attributes,
        .images = ask->images,
    };
    if (product_outgrows(0, 0, product_details_bytes(&details) + variants_bytes(&ask->variants))) {
        return REJECT_PRODUCT_TOO_LARGE;
    }
    decision_event(decision, EVENT_PRODUCT_DEFINED)->as.product_defined =
        (struct product_defined){.details = details, .proposed = ask->variants};
    return ACCEPTED;
}

static enum rejection change_product(const struct product_state *state, const struct command *command,
                                     struct decision *decision) {
    const struct change_product *ask = &command->as.change_product;
    struct actor actor = actor_of(command->meta.actor);
    enum rejection refusal = takes_changes(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    if (names_another_vendor(&actor, ask->has_vendor, ask->vendor)) {
        return decision_reject(decision, REJECT_OTHER_VENDOR, STR("/vendor"));
    }
    if (!ask->has_title && !ask->has_description && !ask->has_vendor && !ask->has_categories && !ask->has_tags &&
        !ask->has_attributes && !ask->has_images) {
        return REJECT_NOTHING_TO_CHANGE;
    }
    struct product_details after = state->details;
    after.title = ask->has_title ? ask->title : after.title;
    after.has_description |= ask->has_description;
    after.description = ask->has_description ? ask->description : after.description;
    after.has_vendor |= ask->has_vendor;
    after.vendor = ask->has_vendor ? ask->vendor : after.vendor;
    after.categories = ask->has_categories ? ask->categories : after.categories;
    after.tags = ask->has_tags ? ask->tags : after.tags;
    after.attributes = ask->has_attributes ? ask->attributes : after.attributes;
    after.images = ask->has_images ? ask->images : after.images;
    if (product_outgrows(product_bytes(state), product_details_bytes(&state->details), product_details_bytes(&after))) {
        return REJECT_PRODUCT_TOO_LARGE;
    }
    if (!details_equal(&state->details, &after)) {
        decision_event(decision, EVENT_PRODUCT_CHANGED)->as.product_changed =
            (struct product_changed){.before = state->details, .after = after};
    }
    return ACCEPTED;
}

static enum rejection publish_product(const struct product_state *state, struct decision *decision) {
    enum rejection refusal = takes_changes(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    if (state->status == PRODUCT_STATUS_PUBLISHED) {
        return ACCEPTED;
    }
    if (state->variants.count == 0) {
        return REJECT_NO_VARIANTS;
    }
    decision_event(decision, EVENT_PRODUCT_PUBLISHED);
    return ACCEPTED;
}

static void archive(struct str reason, struct decision *decision) {
    decision_event(decision, EVENT_PRODUCT_ARCHIVED)->as.product_archived = (struct product_archived){.reason = reason};
}

static enum rejection archive_product(const struct product_state *state, struct decision *decision) {
    if (state->status == PRODUCT_STATUS_ARCHIVED) {
        return ACCEPTED;
    }
    enum rejection refusal = takes_changes(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    archive(STR("request"), decision);
    return ACCEPTED;
}

/* ---- decide: its variants ---------------------------------------------------------------------------------------- */

static enum rejection add_variant(const struct product_state *state, const struct add_variant *ask,
                                  struct decision *decision) {
    enum rejection refusal = takes_changes(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    if (find_variant(&state->variants, ask->sku) != NULL || find_variant(&state->proposed, ask->sku) != NULL) {
        *ARRAY_PUSH(decision->arena, &decision->skus) = ask->sku;
        return decision_reject(decision, REJECT_DUPLICATE_SKU, STR("/sku"));
    }
    if (state->variants.count + state->proposed.count >= PRODUCT_MAX_VARIANTS) {
        return REJECT_TOO_MANY_VARIANTS;
    }
    if (!barcode_can_be(ask->barcode)) {
        return decision_reject(decision, REJECT_WRONG_CHECK_DIGIT, STR("/barcode"));
    }
    const struct variant variant = {
        .sku = ask->sku,
        .has_barcode = ask->has_barcode,
        .barcode = ask->barcode,
        .has_title = ask->has_title,
        .title = ask->title,
        .attributes = ask->attributes,
        .price = ask->price,
        .has_weight_g = ask->has_weight_g,
        .weight_g = ask->weight_g,
        .has_tax_class = ask->has_tax_class,
        .tax_class = ask->tax_class,
    };
    if (product_outgrows(product_bytes(state), 0, variant_bytes(&variant))) {
        return REJECT_PRODUCT_TOO_LARGE;
    }
    decision_event(decision, EVENT_VARIANT_PROPOSED)->as.variant_proposed.variant = variant;
    return ACCEPTED;
}

static enum rejection change_variant(const struct product_state *state, const struct change_variant *ask,
                                     struct decision *decision) {
    enum rejection refusal = takes_changes(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    const struct variant *before = find_variant(&state->variants, ask->sku);
    if (before == NULL) {
        return REJECT_UNKNOWN_VARIANT;
    }
    if (!ask->has_barcode && !ask->has_title && !ask->has_attributes && !ask->has_price && !ask->has_weight_g &&
        !ask->has_tax_class) {
        return REJECT_NOTHING_TO_CHANGE;
    }
    if (!barcode_can_be(ask->barcode)) {
        return decision_reject(decision, REJECT_WRONG_CHECK_DIGIT, STR("/barcode"));
    }
    struct variant after = *before;
    after.has_barcode |= ask->has_barcode;
    after.barcode = ask->has_barcode ? ask->barcode : after.barcode;
    after.has_title |= ask->has_title;
    after.title = ask->has_title ? ask->title : after.title;
    after.attributes = ask->has_attributes ? ask->attributes : after.attributes;
    after.price = ask->has_price ? ask->price : after.price;
    after.has_weight_g |= ask->has_weight_g;
    after.weight_g = ask->has_weight_g ? ask->weight_g : after.weight_g;
    after.has_tax_class |= ask->has_tax_class;
    after.tax_class = ask->has_tax_class ? ask->tax_class : after.tax_class;
    if (product_outgrows(product_bytes(state), variant_bytes(before), variant_bytes(&after))) {
        return REJECT_PRODUCT_TOO_LARGE;
    }
    if (!variants_equal(before, &after)) {
        decision_event(decision, EVENT_VARIANT_CHANGED)->as.variant_changed =
            (struct variant_changed){.before = *before, .after = after};
    }
    return ACCEPTED;
}

static void give_back(struct str sku, struct decision *decision) {
    decision_event(decision, EVENT_VARIANT_REMOVED)->as.variant_removed = (struct variant_removed){.sku = sku};
}

static enum rejection remove_variant(const struct product_state *state, const struct remove_variant *ask,
                                     struct decision *decision) {
    enum rejection refusal = takes_changes(state);
    if (refusal != ACCEPTED && refusal != REJECT_PRODUCT_ARCHIVED) {
        return refusal;
    }
    if (find_variant(&state->variants, ask->sku) == NULL) {
        return REJECT_UNKNOWN_VARIANT;
    }
    if (state->status == PRODUCT_STATUS_PUBLISHED && state->variants.count == 1) {
        return REJECT_NO_VARIANTS;
    }
    give_back(ask->sku, decision);
    return ACCEPTED;
}

/* ---- decide: the SKUs' answers ----------------------------------------------------------------------------------- */

static void record_grant(const struct product_state *state, struct str sku, struct decision *decision) {
    const struct variant *proposed = find_variant(&state->proposed, sku);
    if (find_variant(&state->variants, sku) != NULL) {
        return; /* told twice */
    }
    if (proposed != NULL && state->status != PRODUCT_STATUS_ARCHIVED) {
        decision_event(decision, EVENT_VARIANT_ADDED)->as.variant_added = (struct variant_added){.variant = *proposed};
    } else {
        give_back(sku, decision); /* it comes too late to be of use */
    }
}

/* An answer that contradicts what we have: a stale one, or one that a stale one went before. We ask once more, and the
 * answer to that will stand. */
static void ask_again(const struct product_state *state, const struct variant *variant, struct decision *decision) {
    if (state->status != PRODUCT_STATUS_ARCHIVED) {
        decision_event(decision, EVENT_VARIANT_PROPOSED)->as.variant_proposed =
            (struct variant_proposed){.variant = *variant};
    }
}

/* Another product holds the SKU, or (holder empty) it was released, maybe by our own release of before our claim. */
static void record_refusal(const struct product_state *state, const struct record_sku_claim *claim,
                           struct decision *decision) {
    bool was_released = str_is_empty(claim->holder);
    const struct variant *added = find_variant(&state->variants, claim->sku);
    const struct variant *proposed = find_variant(&state->proposed, claim->sku);
    if (added != NULL) {
        ask_again(state, added, decision);
    } else if (proposed != NULL && was_released) {
        ask_again(state, proposed, decision);
    } else if (proposed != NULL) {
        decision_event(decision, EVENT_VARIANT_REFUSED)->as.variant_refused =
            (struct variant_refused){.sku = claim->sku, .holder = claim->holder};
    }
}

/* The last answer to a definition in which a SKU was refused undoes the whole. */
static void undo_definition_if_refused(const struct product_state *state, const struct record_sku_claim *claim,
                                       struct decision *decision) {
    bool was_last = state->proposed.count == 1 && find_variant(&state->proposed, claim->sku) != NULL;
    bool was_released = !claim->granted && str_is_empty(claim->holder);
    bool refused = !claim->granted || state->refused_skus.count > 0;
    if (!was_last || was_released || !refused) {
        return;
    }
    for (uint32_t i = 0; i < state->variants.count; i++) {
        give_back(state->variants.items[i].sku, decision);
    }
    if (claim->granted) {
        give_back(claim->sku, decision);
    }
    archive(STR("sku_taken"), decision);
}

static enum rejection record_sku_claim(const struct product_state *state, const struct record_sku_claim *claim,
                                       struct decision *decision) {
    if (state->status == PRODUCT_STATUS_ABSENT) {
        return REJECT_UNKNOWN_PRODUCT;
    }
    if (claim->granted) {
        record_grant(state, claim->sku, decision);
    } else {
        record_refusal(state, claim, decision);
    }
    if (state->status == PRODUCT_STATUS_DEFINING) {
        undo_definition_if_refused(state, claim, decision);
    }
    return ACCEPTED;
}

/* Of what clients send; a SKU's answer comes whoever asked for it. */
static bool is_anothers(const struct product_state *state, const struct command *command) {
    return command->type != COMMAND_RECORD_SKU_CLAIM && state->status != PRODUCT_STATUS_ABSENT &&
           !actor_may_touch_product(command->meta.actor, state->details.has_vendor, state->details.vendor);
}

enum rejection product_decide(const struct product_state *state, const struct command *command,
                              struct decision *decision) {
    if (is_anothers(state, command)) {
        return decision_hide(decision, REJECT_UNKNOWN_PRODUCT);
    }
    switch ((enum catalog_command)command->type) {
    case COMMAND_DEFINE_PRODUCT:
        return define_product(state, command, decision);
    case COMMAND_CHANGE_PRODUCT:
        return change_product(state, command, decision);
    case COMMAND_PUBLISH_PRODUCT:
        return publish_product(state, decision);
    case COMMAND_ARCHIVE_PRODUCT:
        return archive_product(state, decision);
    case COMMAND_ADD_VARIANT:
        return add_variant(state, &command->as.add_variant, decision);
    case COMMAND_CHANGE_VARIANT:
        return change_variant(state, &command->as.change_variant, decision);
    case COMMAND_REMOVE_VARIANT:
        return remove_variant(state, &command->as.remove_variant, decision);
    case COMMAND_RECORD_SKU_CLAIM:
        return record_sku_claim(state, &command->as.record_sku_claim, decision);
    }
    return REJECT_MALFORMED_COMMAND;
}

/* ---- evolve ------------------------------------------------------------------------------------------------------ */

static void evolve_defined(struct product_state *state, const struct event *event, struct arena *arena) {
    const struct product_defined *defined = &event->as.product_defined;
    state->details = defined->details;
    ARRAY_COPY(arena, &defined->proposed, &state->proposed);
    state->pending_command = event->meta.command_id;
    state->created_at = event->meta.occurred_at;
}

/* Moves the variant to `to`, wherever it was before. */
static void move_variant(struct product_state *state, const struct variant *variant, struct variant_array *to,
                         struct arena *arena) {
    struct variant moved = *variant; /* the caller's may be in one of the arrays */
    remove_variant_from(&state->proposed, moved.sku);
    remove_variant_from(&state->variants, moved.sku);
    *ARRAY_PUSH(arena, to) = moved;
}

void product_evolve(struct product_state *state, const struct event *event, struct arena *arena) {
    enum product_status next = (enum product_status)status_evolved(&life, event->type, (int)state->status);
    switch ((enum catalog_event)event->type) {
    case EVENT_PRODUCT_DEFINED:
        evolve_defined(state, event, arena);
        break;
    case EVENT_PRODUCT_CHANGED:
        state->details = event->as.product_changed.after;
        break;
    case EVENT_PRODUCT_PUBLISHED:
        state->published_before = true;
        break;
    case EVENT_PRODUCT_ARCHIVED:
        state->pending_command = STR("");
        break;
    case EVENT_VARIANT_PROPOSED:
        move_variant(state, &event->as.variant_proposed.variant, &state->proposed, arena);
        break;
    case EVENT_VARIANT_ADDED:
        move_variant(state, &event->as.variant_added.variant, &state->variants, arena);
        if (state->status == PRODUCT_STATUS_DEFINING) {
            bool complete = state->proposed.count == 0 && state->refused_skus.count == 0;
            next = complete ? next : state->status;
            state->pending_command = complete ? STR("") : state->pending_command;
        }
        break;
    case EVENT_VARIANT_REFUSED:
        remove_variant_from(&state->proposed, event->as.variant_refused.sku);
        if (state->status == PRODUCT_STATUS_DEFINING) {
            *ARRAY_PUSH(arena, &state->refused_skus) = event->as.variant_refused.sku;
        }
        break;
    case EVENT_VARIANT_CHANGED: {
        struct variant *variant = find_variant(&state->variants, event->as.variant_changed.after.sku);
        if (variant != NULL) {
            *variant = event->as.variant_changed.after;
        }
        break;
    }
    case EVENT_VARIANT_REMOVED:
        remove_variant_from(&state->proposed, event->as.variant_removed.sku);
        remove_variant_from(&state->variants, event->as.variant_removed.sku);
        break;
    }
    state->status = next;
    state->changed_at = event->meta.occurred_at;
}

/* ---- for the handler --------------------------------------------------------------------------------------------- */

static enum rejection decide(const void *state, const void *sub_state, const struct command *command,
                             struct decision *decision) {
    (void)sub_state;
    return product_decide(state, command, decision);
}

static void evolve(void *state, void *sub_state, const struct event *event, struct arena *arena) {
    (void)sub_state;
    product_evolve(state, event, arena);
}

static void react(const void *state, const struct event *event, const struct command *cause,
                  struct reactions *reactions) {
    claim_after_product(state, event, cause, reactions);
}

static void encode(struct buf *out, const void *state) {
    product_state_encode(out, state);
}

static bool decode(struct arena *arena, struct str bytes, void *ret_state) {
    return product_state_decode(arena, bytes, ret_state);
}

const struct aggregate product_aggregate = {
    .prefix = {"prod_", 5},
    .family = "catalog",
    .noun = "product",
    .state_size = sizeof(struct product_state),
    .decide = decide,
    .evolve = evolve,
    .react = react,
    .life = &life,
    .state_encode = encode,
    .state_decode = decode,
    .state_schema_id = PRODUCT_STATE_SCHEMA_ID,
};
