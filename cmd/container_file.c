#include "cmd/container_file.h"

#include <assert.h>
#include <sodium.h>

#include "core/base/avro_binary.h"
#include "core/base/memory.h"

enum {
    DATUM_MAX_BYTES = 64 * 1024 * 1024, /* a row of a view is larger than a record of the log, but not than this */
    RAW_DEFLATE_WINDOW = -15,           /* zlib.h, deflateInit2: negative for no header */
    MEMORY_LEVEL = 8,
};

static void make_sync(struct container *container, struct str schema, struct str seed) {
    crypto_generichash_state state;
    int failed = crypto_generichash_init(&state, NULL, 0, CONTAINER_SYNC_BYTES);
    failed |= crypto_generichash_update(&state, (const uint8_t *)schema.data, schema.len);
    failed |= crypto_generichash_update(&state, (const uint8_t *)seed.data, seed.len);
    failed |= crypto_generichash_final(&state, container->sync, CONTAINER_SYNC_BYTES);
    assert(failed == 0);
}

void container_begin(struct container *container, enum container_codec codec, struct str schema, struct str seed,
                     struct buf *out) {
    *container = (struct container){.codec = codec};
    make_sync(container, schema, seed);
    buf_init(&container->block, CONTAINER_BLOCK_BYTES + DATUM_MAX_BYTES);
    if (codec == CONTAINER_DEFLATE && deflateInit2(&container->deflate, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                                                   RAW_DEFLATE_WINDOW, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        out_of_memory("zlib");
    }
    buf_str(out, STR("Obj\x01"));
    avro_write_long(out, 2); /* the metadata: a map in one block */
    avro_write_bytes(out, STR("avro.schema"));
    avro_write_bytes(out, schema);
    avro_write_bytes(out, STR("avro.codec"));
    avro_write_bytes(out, codec == CONTAINER_DEFLATE ? STR("deflate") : STR("null"));
    avro_write_long(out, 0);
    avro_write_fixed(out, container->sync, CONTAINER_SYNC_BYTES);
}

/* The block's bytes behind their size. */
static void put_packed(struct container *container, struct buf *out) {
    z_stream *stream = &container->deflate;
    struct buf packed;
    size_t most = deflateBound(stream, container->block.len);
    buf_init(&packed, most);
    stream->next_in = (Bytef *)container->block.data;
    stream->avail_in = (uInt)container->block.len;
    stream->next_out = (Bytef *)buf_reserve(&packed, most);
    stream->avail_out = (uInt)most;
    int result = deflate(stream, Z_FINISH);
    assert(result == Z_STREAM_END);
    packed.len = most - stream->avail_out;
    result = deflateReset(stream);
    assert(result == Z_OK);
    avro_write_bytes(out, buf_text(&packed));
    buf_release(&packed);
}

static void put_block(struct container *container, struct buf *out) {
    if (container->count == 0) {
        return;
    }
    avro_write_long(out, container->count);
    if (container->codec == CONTAINER_DEFLATE) {
        put_packed(container, out);
    } else {
        avro_write_bytes(out, buf_text(&container->block));
    }
    avro_write_fixed(out, container->sync, CONTAINER_SYNC_BYTES);
    buf_clear(&container->block);
    container->count = 0;
}

void container_add(struct container *container, struct str datum, struct buf *out) {
    buf_str(&container->block, datum);
    assert(buf_ok(&container->block));
    container->count++;
    if (container->block.len >= CONTAINER_BLOCK_BYTES) {
        put_block(container, out);
    }
}

void container_end(struct container *container, struct buf *out) {
    put_block(container, out);
}

void container_release(struct container *container) {
    if (container->codec == CONTAINER_DEFLATE) {
        deflateEnd(&container->deflate);
    }
    buf_release(&container->block);
}
