#include "projections/runtime/history.h"

#include <assert.h>

#include "projections/runtime/batch.h"

void history_put(struct view_batch *batch, size_t table, struct arena *arena, const struct event *event,
                 const void *state) {
    struct str record = batch->record->value;
    struct buf *bytes = view_scratch(batch);
    batch->view->fold->state_encode(bytes, state);
    assert(buf_ok(bytes));
    bool keeps_state = event->meta.version % HISTORY_STEP == 0 || bytes->len <= record.len;
    struct str kept = keeps_state ? arena_str_copy(arena, buf_text(bytes)) : record;
    view_upsert(batch, table,
                (struct view_value[]){
                    view_text(event->meta.stream),
                    view_number(event->meta.version),
                    view_number(event->meta.occurred_at),
                    view_text_or_null(keeps_state, kept),
                    view_text_or_null(!keeps_state, kept),
                });
}
