#include <assert.h>

#include "core/testing/simulator/world_parts.h"

static uint64_t state, digest;

/* ---- chance ------------------------------------------------------------------------------------------------------ */

/* SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014). */
static uint64_t draw(void) {
    uint64_t z = (state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

uint64_t sim_random(uint64_t below) {
    assert(below > 0);
    return draw() % below;
}

int64_t sim_between(int64_t least, int64_t most) {
    assert(least <= most);
    return least + (int64_t)sim_random((uint64_t)(most - least) + 1);
}

bool sim_chance(uint32_t per_million) {
    return sim_random(1000000) < per_million;
}

void chance_begin(uint64_t seed) {
    state = seed;
    digest = 0;
    (void)draw();
}

/* ---- the digest -------------------------------------------------------------------------------------------------- */

uint64_t sim_digest(void) {
    return digest;
}

void sim_digest_add(uint64_t what) {
    digest = (digest ^ what) * 0x100000001b3U; /* FNV-1a, by words */
}
