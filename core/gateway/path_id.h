/* path_id.h: the ids in paths, checked by kind: a cart's id is no order's.
 *
 * Form     prod_, cart_, cus_, key_ + ULID; ord_ + ULID + .n; pay_ + ULID + .n.m; cmd_ + ULID + .shard; a SKU as it is.
 * Thread   pure; any.            May use: base, http.
 */
#pragma once

#include "core/base/arena.h"
#include "core/http/problem.h"

/* The stream that the value of the path parameter `name` ("product", "sku", "cart", "order", "payment", "customer",
 * "key") means.
 * False with status, code and detail of a problem: 422 wrong_id_kind for an id of another kind, 404 malformed_id for
 * none. */
MUST_CHECK bool path_id_stream(struct arena *arena, struct str name, struct str value, struct str *ret_stream,
                               struct problem *ret_problem);

/* A command's public id: its own and the shard whose window knows it. */
MUST_CHECK bool path_id_command(struct arena *arena, struct str value, uint32_t shard_count, struct str *ret_command_id,
                                int32_t *ret_shard, struct problem *ret_problem);
