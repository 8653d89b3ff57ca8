/* page_cache.h: documents that somebody read by id a moment ago, so that what everybody looks at costs the database
 * nothing.
 *
 * Promise  a page is gone when its view has told that its stream changed, at the latest PAGE_KEPT_MS after it was read:
 *          so much may a notification be late, or lost. What was read while the view moved is not kept at all.
 *          Whoever says what he has seen, by a Daybook-Position or by If-None-Match, is given no older page.
 * Owner    a page keeps whose it is, as the database said it with the document: whoever asks is judged by it (access.h)
 *          before he is given anything of it.
 * Bounds   PAGES_MAX_BYTES a loop, CACHED_PAGE_MAX_BYTES a page; least recently used go first.
 * Thread   the loop's.          May use: base, projections' contracts.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/lru.h"
#include "core/gateway/position.h"
#include "projections/runtime/behind.h"

enum {
    PAGES_MAX_BYTES = 32 * 1024 * 1024,
    CACHED_PAGE_MAX_BYTES = 64 * 1024,
    PAGE_KEPT_MS = 1000,
    PAGE_VIEWS_MAX = 16
};

struct page_cache {
    struct lru pages;                   /* by stream; mark: when it was asked for */
    uint64_t moves[PAGE_VIEWS_MAX];     /* of each view, as told; by the place in `views` */
    int64_t good_after[PAGE_VIEWS_MAX]; /* of each view: what was asked for until then is not used */
    uint64_t asked, found;
    struct buf scratch;
};

/* What the database answered. */
struct page {
    int64_t version;
    struct str owner; /* access.h; empty: everybody's */
    struct str document;
};

/* A page that is to be read. */
struct page_question {
    struct str stream;
    uint64_t hash;
    size_t view;      /* its place in `views` */
    uint64_t moves;   /* of the view, when it was asked for */
    int64_t asked_at; /* boot time in microseconds */
};

void page_cache_init(struct page_cache *cache);
void page_cache_release(struct page_cache *cache);

/* `view` is a view's name, `topic` that of the stream. */
struct page_question page_cache_ask(const struct page_cache *cache, const char *view, enum log_topic topic,
                                    struct str stream, int64_t now_boot_us);

/* False: ask the database. `version_seen`: the client has that one, or a newer; 0: he does not say. The page is valid
 * until the next call. */
bool page_cache_find(struct page_cache *cache, const struct page_question *question, const struct position *position,
                     int64_t version_seen, struct page *ret_page);

void page_cache_keep(struct page_cache *cache, const struct page_question *question, const struct page *page);

/* What a view told of a commit. */
void page_cache_moved(struct page_cache *cache, struct view_notice notice, int64_t now_boot_us);

/* Notifications were missed. */
void page_cache_expire(struct page_cache *cache, int64_t now_boot_us);
