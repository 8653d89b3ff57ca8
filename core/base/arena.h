/* arena.h: memory that is given out piece by piece and taken back all at once.
 *
 * Purpose  one arena per HTTP request and per command batch, reset at its end, so that nothing in between is freed
 *          by hand and nothing can leak.
 * Promise  a piece stays where it is until arena_reset or arena_release. Pieces are aligned for any type.
 * Bounds   `max_bytes`, given at init. What an outsider's input can make large is taken with arena_try, which answers
 *          NULL past the bound; what our own limits already bound is taken with arena_alloc, for which going past it
 *          is our bug. Either way a failing malloc ends the process with a clear line: there is nothing left to do.
 * Memory   grows by blocks (64 KiB at least); reset keeps the first block, and gives the others back, save for what
 *          arena_keep says.
 * Thread   one at a time.        May use: libc.
 */
#pragma once

#include <stddef.h>

#include "core/base/macros.h"
#include "core/base/str.h"

struct arena_block;

struct arena {
    struct arena_block *newest;
    size_t used_bytes; /* in all blocks together */
    size_t max_bytes;
    struct arena_block *spare; /* blocks that a reset has kept */
    size_t spare_bytes, keep_bytes;
};

void arena_init(struct arena *arena, size_t max_bytes);
/* From now on a reset keeps so many bytes of blocks beside the first: for an arena that is filled over and over, where
 * new memory would have to be zeroed by the kernel each time. */
void arena_keep(struct arena *arena, size_t bytes);
void arena_reset(struct arena *arena);
/* Overwrites all that was given out with zeros: before a reset or release of what held secrets. */
void arena_wipe(struct arena *arena);
void arena_release(struct arena *arena);

/* Zeroed memory, or NULL when `size` more bytes would pass the arena's maximum. */
MUST_CHECK void *arena_try(struct arena *arena, size_t size);

/* Zeroed memory; asserts that the arena's maximum is not passed. */
void *arena_alloc(struct arena *arena, size_t size);

/* How many bytes may still be taken. */
size_t arena_left(const struct arena *arena);

/* Copies that live in the arena. str_copy asserts; str_try answers false past the maximum. */
struct str arena_str_copy(struct arena *arena, struct str text);
MUST_CHECK bool arena_str_try(struct arena *arena, struct str text, struct str *ret_copy);

/* The two, one behind the other. Asserts. */
struct str arena_join(struct arena *arena, struct str first, struct str second);

/* printf into the arena (a NUL follows the text, not counted in its length). Asserts. */
struct str arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
