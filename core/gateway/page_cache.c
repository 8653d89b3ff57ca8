#include "core/gateway/page_cache.h"

#include <assert.h>

#include "core/base/timestamp.h"
#include "projections/runtime/view.h"

/* A page's value: the length of the owner in one byte, the owner, the document. */
enum { OWNER_MAX_BYTES = 255 };

void page_cache_init(struct page_cache *cache) {
    assert(view_count <= PAGE_VIEWS_MAX);
    *cache = (struct page_cache){0};
    lru_init(&cache->pages, PAGES_MAX_BYTES);
    buf_init(&cache->scratch, 1 + OWNER_MAX_BYTES + CACHED_PAGE_MAX_BYTES);
}

void page_cache_release(struct page_cache *cache) {
    lru_release(&cache->pages);
    buf_release(&cache->scratch);
}

static size_t place_of(struct str view) {
    size_t place = 0;
    while (place < view_count && !str_equal(str_of_cstr(views[place]->name), view)) {
        place++;
    }
    return place;
}

struct page_question page_cache_ask(const struct page_cache *cache, const char *view, enum log_topic topic,
                                    struct str stream, int64_t now_boot_us) {
    struct page_question question = {.stream = stream,
                                     .hash = stream_hash(stream, topic),
                                     .view = place_of(str_of_cstr(view)),
                                     .asked_at = now_boot_us};
    assert(question.view < view_count);
    question.moves = cache->moves[question.view];
    return question;
}

/* A document comes from the events of its stream alone: what else the position names does not matter to it. */
static int64_t version_wanted(const struct position *position, uint64_t hash) {
    int64_t version = 0;
    for (size_t i = 0; i < position->count; i++) {
        if (position->pairs[i].hash == hash && position->pairs[i].version > version) {
            version = position->pairs[i].version;
        }
    }
    return version;
}

static struct page page_of(const struct lru_entry *entry) {
    uint8_t owner_len = (uint8_t)entry->value.data[0];
    return (struct page){.version = entry->version,
                         .owner = str_of(entry->value.data + 1, owner_len),
                         .document = str_from(entry->value, 1U + owner_len)};
}

bool page_cache_find(struct page_cache *cache, const struct page_question *question, const struct position *position,
                     int64_t version_seen, struct page *ret_page) {
    const struct lru_entry *page = lru_get(&cache->pages, question->stream, (int64_t)question->hash);
    bool is_good = page != NULL && question->asked_at - page->mark < (int64_t)PAGE_KEPT_MS * MICROS_PER_MS &&
                   page->mark > cache->good_after[question->view] && page->version >= version_seen &&
                   page->version >= version_wanted(position, question->hash);
    cache->asked++;
    cache->found += is_good;
    if (is_good) {
        *ret_page = page_of(page);
    }
    return is_good;
}

void page_cache_keep(struct page_cache *cache, const struct page_question *question, const struct page *page) {
    const struct lru_entry *before = lru_get(&cache->pages, question->stream, (int64_t)question->hash);
    if (before != NULL && before->version < page->version) {
        lru_drop(&cache->pages, (int64_t)question->hash); /* nobody goes back behind what is answered now */
    }
    if (question->moves == cache->moves[question->view] && page->document.len <= CACHED_PAGE_MAX_BYTES &&
        page->owner.len <= OWNER_MAX_BYTES) {
        struct buf *value = &cache->scratch;
        buf_clear(value);
        buf_byte(value, (char)page->owner.len);
        buf_str(value, page->owner);
        buf_str(value, page->document);
        lru_put(&cache->pages, &(struct lru_entry){.name = question->stream,
                                                   .hash = (int64_t)question->hash,
                                                   .value = buf_text(value),
                                                   .version = page->version,
                                                   .mark = question->asked_at});
    }
}

void page_cache_moved(struct page_cache *cache, struct view_notice notice, int64_t now_boot_us) {
    size_t view = place_of(notice.view);
    if (view == view_count) {
        return; /* of another release */
    }
    cache->moves[view]++;
    bool names_streams = !str_is_empty(notice.hashes);
    int64_t hash;
    while (view_notice_next(&notice, &hash)) {
        lru_drop(&cache->pages, hash);
    }
    if (!names_streams || !str_is_empty(notice.hashes)) {
        cache->good_after[view] = now_boot_us;
    }
}

void page_cache_expire(struct page_cache *cache, int64_t now_boot_us) {
    for (size_t i = 0; i < view_count; i++) {
        cache->moves[i]++;
        cache->good_after[i] = now_boot_us;
    }
}
