/* container_file.h: Avro object container files, made piece by piece into a buf that the caller empties into a file.
 *
 * Source   Apache Avro specification 1.11, "Object Container Files": the header has the schema and the codec; then
 *          blocks of datums, each with their count, their size and the file's sync marker behind it. The codec deflate
 *          is RFC 1951 without a zlib header.
 * Why      not avro-c's writer: it writes the schema anew from what it understands of it, and so drops logical types: a
 *          timestamp becomes a number to every reader (docs/adr/0027). Here the schema's text stands as the registry
 *          has it, and the datums are the bytes of the log.
 * Promise  the same datums, schema and seed give the same bytes.
 * Bounds   a block of about CONTAINER_BLOCK_BYTES, or one datum; zlib takes 256 KiB of memory on top.
 * Thread   one at a time.        May use: base, libsodium, zlib.
 */
#pragma once

#include <zlib.h>

#include "core/base/buf.h"

enum container_codec { CONTAINER_NULL, CONTAINER_DEFLATE };

enum { CONTAINER_BLOCK_BYTES = 64 * 1024, CONTAINER_SYNC_BYTES = 16 };

struct container {
    enum container_codec codec;
    uint8_t sync[CONTAINER_SYNC_BYTES];
    struct buf block;
    int64_t count; /* of datums in the block */
    z_stream deflate;
};

/* Appends the header. The sync marker is derived from schema and `seed`, the file's name: files are told apart. */
void container_begin(struct container *container, enum container_codec codec, struct str schema, struct str seed,
                     struct buf *out);
/* A datum in Avro binary of that schema; appends a block once enough have come together. */
void container_add(struct container *container, struct str datum, struct buf *out);
/* Appends what is left. */
void container_end(struct container *container, struct buf *out);
void container_release(struct container *container);
