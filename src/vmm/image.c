/*
 * Kernel files. Recognising comes first and says no by name: a kernel for
 * another machine, an archive, a page of HTML saved as vmlinuz each get their
 * own line, because "does not boot" is what users cannot act on.
 *
 * Packed files (gzip, zstd, and EFI zboot, which is one of them behind a
 * small header) are unpacked once; what is inside must be an Image, for
 * nobody packs twice.
 */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "lull/bits.h"
#include "lull/bytes.h"
#include "lull/checked.h"

enum { LINUX_HEADER_BYTES = 64 };

/* ---- whole files ----------------------------------------------------------
 */

/* A buffer that grows up to a limit. */
struct buffer {
    uint8_t *bytes;
    size_t len, room;
    uint64_t limit;
};

/* Room for at least one more byte; false when at the limit or out of memory. */
static bool buffer_grow(struct buffer *buffer)
{
    uint64_t room = buffer->room < 1 << 20 ? 1 << 20 : buffer->room * 2ULL;
    uint8_t *bytes;

    if (buffer->len < buffer->room)
        return true;
    if (room > buffer->limit)
        room = buffer->limit;
    if (room <= buffer->room)
        return false;
    bytes = realloc(buffer->bytes, room);
    if (bytes == NULL)
        return false;
    buffer->bytes = bytes;
    buffer->room = room;
    return true;
}

static bool read_all(int fd, struct buffer *buffer)
{
    for (;;) {
        ssize_t got;

        if (!buffer_grow(buffer)) {
            errno = EFBIG;
            return false;
        }
        got = read(fd, buffer->bytes + buffer->len, buffer->room - buffer->len);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        if (got > 0)
            buffer->len += (size_t)got;
    }
}

uint8_t *file_read(const char *option, const char *path, uint64_t limit_bytes,
                   size_t *len, struct why *why)
{
    /* One more than the limit, to tell "fits exactly" from "does not". */
    struct buffer buffer = {.limit = limit_bytes + 1};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    bool ok;

    if (fd < 0) {
        because(why, "%s %s: %s", option, path, strerror(errno));
        return NULL;
    }
    /* The size is a hint that saves copying; the reading decides. */
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
        (uint64_t)st.st_size < limit_bytes) {
        buffer.room = (size_t)st.st_size + 1;
        buffer.bytes = malloc(buffer.room);
        if (buffer.bytes == NULL)
            buffer.room = 0;
    }
    ok = read_all(fd, &buffer);
    if (!ok && errno != EFBIG)
        because(why, "%s %s: %s", option, path, strerror(errno));
    else if (!ok || buffer.len > limit_bytes)
        ok = because(why,
                     "%s %s: does not fit into the guest's memory; give a "
                     "larger --memory",
                     option, path);
    else if (buffer.len == 0)
        ok = because(why, "%s %s: the file is empty", option, path);
    close(fd);
    if (!ok) {
        free(buffer.bytes);
        return NULL;
    }
    *len = buffer.len;
    return buffer.bytes;
}

/* ---- unpacking ------------------------------------------------------------
 */

enum unpacked { UNPACKED, UNPACK_CORRUPT, UNPACK_SHORT, UNPACK_TOO_BIG };

static enum unpacked inflate_stream(z_stream *stream, struct buffer *out)
{
    for (;;) {
        int status;

        if (!buffer_grow(out))
            return UNPACK_TOO_BIG;
        stream->next_out = out->bytes + out->len;
        stream->avail_out =
            (uInt)(out->room - out->len > 1U << 30 ? 1U << 30
                                                   : out->room - out->len);
        status = inflate(stream, Z_NO_FLUSH);
        out->len = (size_t)(stream->next_out - out->bytes);
        if (status == Z_STREAM_END)
            return UNPACKED;
        if (status == Z_BUF_ERROR ||
            (status == Z_OK && stream->avail_in == 0 && stream->avail_out != 0))
            return UNPACK_SHORT;
        if (status != Z_OK)
            return UNPACK_CORRUPT;
    }
}

static enum unpacked unpack_gzip(const uint8_t *in, size_t len,
                                 struct buffer *out)
{
    z_stream stream = {.next_in = (Bytef *)in, .avail_in = (uInt)len};
    enum unpacked unpacked;

    if (len > UINT32_MAX)
        return UNPACK_TOO_BIG;
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
        return UNPACK_CORRUPT;
    unpacked = inflate_stream(&stream, out);
    inflateEnd(&stream);
    return unpacked;
}

static enum unpacked zstd_stream(ZSTD_DStream *stream, ZSTD_inBuffer *in,
                                 struct buffer *out)
{
    for (;;) {
        ZSTD_outBuffer to;
        size_t status;

        if (!buffer_grow(out))
            return UNPACK_TOO_BIG;
        to = (ZSTD_outBuffer){out->bytes, out->room, out->len};
        status = ZSTD_decompressStream(stream, &to, in);
        if (ZSTD_isError(status))
            return UNPACK_CORRUPT;
        out->len = to.pos;
        if (status == 0) /* end of the frame: what follows is padding */
            return UNPACKED;
        if (in->pos == in->size && to.pos < to.size)
            return UNPACK_SHORT;
    }
}

static enum unpacked unpack_zstd(const uint8_t *in, size_t len,
                                 struct buffer *out)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer input = {in, len, 0};
    enum unpacked unpacked;

    if (stream == NULL)
        return UNPACK_TOO_BIG;
    unpacked = zstd_stream(stream, &input, out);
    ZSTD_freeDStream(stream);
    return unpacked;
}

static bool is_gzip(const uint8_t *bytes, size_t len)
{
    return len >= 18 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

static bool is_zstd(const uint8_t *bytes, size_t len)
{
    return len >= 8 && get_le32(bytes) == 0xfd2fb528;
}

/*
 * The packed bytes within the file: all of it, or the payload of a zboot
 * image ("MZ", "zimg", offset, size, two words, name of the method).
 */
struct packed {
    const uint8_t *bytes;
    size_t len;
};

static bool is_zboot(const uint8_t *bytes, size_t len)
{
    return len >= LINUX_HEADER_BYTES && memcmp(bytes, "MZ", 2) == 0 &&
           memcmp(bytes + 4, "zimg", 4) == 0;
}

/* The name of the method, a claim of the file's: at most 16 characters, and
 * none that a terminal would obey. */
static void zboot_method(const uint8_t *bytes, char method[17])
{
    size_t i;

    memcpy(method, bytes + 24, 16);
    method[16] = '\0';
    for (i = 0; method[i] != '\0'; i++)
        if (method[i] < ' ' || method[i] > '~')
            method[i] = '?';
}

static bool zboot_payload(const char *what, const uint8_t *bytes, size_t len,
                          struct packed *packed, struct why *why)
{
    uint32_t offset = get_le32(bytes + 8), size = get_le32(bytes + 12);
    char method[17];

    if (!range_within(offset, size, 0, len))
        return because(why,
                       "%s: the zboot image is truncated: its payload ends "
                       "at byte %llu of %zu",
                       what, (unsigned long long)offset + size, len);
    packed->bytes = bytes + offset;
    packed->len = size;
    if (is_gzip(packed->bytes, size) || is_zstd(packed->bytes, size))
        return true;
    zboot_method(bytes, method);
    return because(why,
                   "%s: a zboot image packed with \"%s\"; gzip and zstd are "
                   "understood",
                   what, method);
}

/* Replace the packed bytes in *image by the unpacked ones. */
static bool unpack(const char *what, struct packed packed, uint64_t limit,
                   struct image *image, struct why *why)
{
    struct buffer out = {.limit = limit};
    enum unpacked unpacked = is_gzip(packed.bytes, packed.len)
                                 ? unpack_gzip(packed.bytes, packed.len, &out)
                                 : unpack_zstd(packed.bytes, packed.len, &out);

    if (unpacked == UNPACKED) {
        free(image->bytes);
        image->bytes = out.bytes;
        image->len = out.len;
        return true;
    }
    free(out.bytes);
    if (unpacked == UNPACK_SHORT)
        return because(why, "%s: the compressed data is truncated", what);
    if (unpacked == UNPACK_TOO_BIG)
        return because(why,
                       "%s: does not fit into the guest's memory when "
                       "unpacked; give a larger --memory",
                       what);
    return because(why, "%s: the compressed data is damaged", what);
}

/* ---- recognising ----------------------------------------------------------
 */

static bool magic_at(const struct image *image, size_t offset,
                     const char *magic, size_t magic_len)
{
    return range_within(offset, magic_len, 0, image->len) &&
           memcmp(image->bytes + offset, magic, magic_len) == 0;
}

/* Files that are certainly something else, and what to say about them. */
static const struct stranger {
    size_t offset;
    const char *magic;
    size_t magic_len;
    const char *what;
} strangers[] = {
    {0x202, "HdrS", 4, "an x86 kernel (bzImage); give an arm64 one"},
    {0x24, "\x18\x28\x6f\x01", 4,
     "a 32-bit Arm kernel (zImage); give an arm64 one"},
    {0x24, "\x01\x6f\x28\x18", 4,
     "a 32-bit big-endian Arm kernel; give an arm64 one"},
    {0x38, "RSC\x05", 4, "a RISC-V kernel; give an arm64 one"},
    {0, "\x27\x05\x19\x56", 4,
     "a U-Boot image; give the arm64 Image inside it"},
    {0, "\xd0\x0d\xfe\xed", 4,
     "a device tree or FIT image; give the arm64 Image itself"},
    {0,
     "\xfd"
     "7zXZ",
     5, "packed with xz; unpack it first (xz -d)"},
    {0, "BZh", 3, "packed with bzip2; unpack it first (bzip2 -d)"},
    {0, "\x02\x21\x4c\x18", 4, "packed with lz4; unpack it first (lz4 -d)"},
    {0, "\x04\x22\x4d\x18", 4, "packed with lz4; unpack it first (lz4 -d)"},
    {0, "!<arch>\n", 8,
     "an archive (a Debian package?); give the kernel inside it"},
    {0, "PK\x03\x04", 4, "a zip archive; give the kernel inside it"},
    {0, "QFI\xfb", 4, "a qcow2 disk image, not a kernel"},
    {0, "070701", 6, "an initramfs (cpio), not a kernel; see --initrd"},
    {0, "MZ", 2, "an EFI program, not an arm64 Linux kernel"},
};

/* Nothing but printable characters: a script, a page of HTML. */
static bool is_text(const struct image *image)
{
    size_t look = image->len < 64 ? image->len : 64;
    size_t i;

    for (i = 0; i < look; i++) {
        uint8_t c = image->bytes[i];

        if ((c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t')
            return false;
    }
    return true;
}

static bool refuse_strangers(const char *what, const struct image *image,
                             struct why *why)
{
    size_t i;

    for (i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        const struct stranger *s = &strangers[i];

        if (magic_at(image, s->offset, s->magic, s->magic_len))
            return because(why, "%s: %s", what, s->what);
    }
    if (is_gzip(image->bytes, image->len) || is_zstd(image->bytes, image->len))
        return because(why, "%s: packed twice; unpack it first", what);
    if (is_text(image))
        return because(why, "%s: a text file, not a kernel", what);
    return true;
}

static bool is_linux(const struct image *image)
{
    return magic_at(image, 0x38, "ARM\x64", 4);
}

/*
 * An Image that is also an EFI program lists its sections: the one way to see
 * that the end of the file is missing. Where the list itself makes no sense,
 * there is nothing to learn from it.
 */
static uint64_t linux_file_end(const struct image *image)
{
    uint64_t pe = get_le32(image->bytes + 0x3c), end = 0, table;
    unsigned count, i;

    if (memcmp(image->bytes, "MZ", 2) != 0 ||
        !range_within(pe, 24, 0, image->len) ||
        memcmp(image->bytes + pe, "PE\0\0", 4) != 0)
        return 0;
    count = get_le16(image->bytes + pe + 6);
    table = pe + 24 + get_le16(image->bytes + pe + 20);
    for (i = 0; i < count; i++) {
        uint64_t at = table + i * 40ULL, last;

        if (!range_within(at, 40, 0, image->len))
            return 0;
        last = (uint64_t)get_le32(image->bytes + at + 16) +
               get_le32(image->bytes + at + 20);
        if (last > end)
            end = last;
    }
    return end;
}

static bool linux_header(const char *what, struct image *image, struct why *why)
{
    static const unsigned granules[] = {0, 4, 16, 64};
    uint64_t flags = get_le64(image->bytes + 24);
    uint64_t end;

    if (image->len < LINUX_HEADER_BYTES)
        return because(why, "%s: the arm64 Image is truncated", what);
    if (bit(flags, 0))
        return because(why,
                       "%s: a big-endian arm64 kernel; give a little-endian "
                       "one",
                       what);
    end = linux_file_end(image);
    if (end > image->len)
        return because(why,
                       "%s: the arm64 Image is truncated: %zu bytes of %llu",
                       what, image->len, (unsigned long long)end);
    image->kind = IMAGE_LINUX;
    image->text_offset = get_le64(image->bytes + 8);
    image->memory_bytes = get_le64(image->bytes + 16);
    image->granule_kib = granules[bits(flags, 2, 1)];
    /* Before Linux 3.17 the size was 0 and the offset always 512 KiB. */
    if (image->memory_bytes == 0)
        image->text_offset = 0x80000;
    if (image->memory_bytes < image->len)
        image->memory_bytes = image->len;
    return true;
}

static bool elf_header(const char *what, struct image *image, struct why *why)
{
    const uint8_t *b = image->bytes;

    if (image->len < 64)
        return because(why, "%s: the ELF file is truncated", what);
    if (b[4] != 2)
        return because(why, "%s: a 32-bit ELF file; give an AArch64 one", what);
    if (b[5] != 1)
        return because(why,
                       "%s: a big-endian ELF file; give a little-endian "
                       "one",
                       what);
    if (get_le16(b + 18) != 183)
        return because(why,
                       "%s: an ELF file for another machine (e_machine %u); "
                       "give an AArch64 one",
                       what, get_le16(b + 18));
    if (get_le16(b + 16) != 2)
        return because(why,
                       "%s: an ELF file that is not an executable at "
                       "fixed addresses",
                       what);
    image->kind = IMAGE_ELF;
    return true;
}

static bool recognise(const char *what, uint64_t limit, struct image *image,
                      struct why *why)
{
    struct packed packed = {image->bytes, image->len};
    bool zboot = is_zboot(image->bytes, image->len);

    if (zboot && !zboot_payload(what, image->bytes, image->len, &packed, why))
        return false;
    if ((zboot || is_gzip(packed.bytes, packed.len) ||
         is_zstd(packed.bytes, packed.len)) &&
        !unpack(what, packed, limit, image, why))
        return false;
    if (is_linux(image))
        return linux_header(what, image, why);
    if (magic_at(image, 0,
                 "\x7f"
                 "ELF",
                 4))
        return elf_header(what, image, why);
    if (zboot)
        return because(why, "%s: a zboot image without an arm64 Image in it",
                       what);
    image->kind = IMAGE_RAW;
    return refuse_strangers(what, image, why);
}

bool image_decode(const char *option, const char *path, uint8_t *bytes,
                  size_t len, uint64_t limit_bytes, struct image *image,
                  struct why *why)
{
    char what[256];

    snprintf(what, sizeof(what), "%s %s", option, path);
    *image = (struct image){.bytes = bytes, .len = len};
    if (len == 0)
        because(why, "%s: the file is empty", what);
    else if (recognise(what, limit_bytes, image, why))
        return true;
    image_free(image);
    return false;
}

bool image_read(const char *option, const char *path, uint64_t limit_bytes,
                struct image *image, struct why *why)
{
    size_t len;
    uint8_t *bytes = file_read(option, path, limit_bytes, &len, why);

    return bytes != NULL &&
           image_decode(option, path, bytes, len, limit_bytes, image, why);
}

void image_free(struct image *image)
{
    free(image->bytes);
    *image = (struct image){0};
}
