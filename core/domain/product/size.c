#include "core/domain/product/size.h"

enum { MEMBER_BYTES = 8 }; /* quotes, colon, comma */

static size_t texts_bytes(const struct str_array *texts) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < texts->count; i++) {
        bytes += MEMBER_BYTES + texts->items[i].len;
    }
    return bytes;
}

static size_t attributes_bytes(const struct attribute_array *attributes) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < attributes->count; i++) {
        bytes += MEMBER_BYTES + (size_t)attributes->items[i].name.len + attributes->items[i].value.len;
    }
    return bytes;
}

size_t product_details_bytes(const struct product_details *details) {
    return (size_t)details->title.len + details->description.len + details->vendor.len +
           texts_bytes(&details->categories) + texts_bytes(&details->tags) + attributes_bytes(&details->attributes) +
           texts_bytes(&details->images);
}

size_t variant_bytes(const struct variant *variant) {
    return MEMBER_BYTES + (size_t)variant->sku.len + variant->barcode.len + variant->title.len +
           variant->tax_class.len + attributes_bytes(&variant->attributes);
}

size_t variants_bytes(const struct variant_array *variants) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < variants->count; i++) {
        bytes += variant_bytes(&variants->items[i]);
    }
    return bytes;
}

size_t product_bytes(const struct product_state *state) {
    return product_details_bytes(&state->details) + variants_bytes(&state->variants) + variants_bytes(&state->proposed);
}

bool product_outgrows(size_t before, size_t removed, size_t added) {
    return added > removed && before + (added - removed) > PRODUCT_MAX_BYTES;
}
