/*
 * The loader: any bytes as a kernel, bare or packed by us, so that what is
 * behind a checksum is reached too. A kernel that is taken lies in memory,
 * clear of the device tree and the initrd.
 *
 * The first byte says how it is packed and whether there is an initrd.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "boot.h"
#include "fuzz_input.h"
#include "lull/bytes.h"

enum {
    RAM_BYTES = 6 << 20, /* an Image begins at 2 MiB */
    INITRD_BYTES = 70000,
    ZBOOT_HEADER_BYTES = 64,
    PACKED_MAX = 1 << 20,
};
#define RAM_GPA 0x40000000ULL

enum pack { BARE, GZIP, ZSTD, ZBOOT_GZIP, ZBOOT_ZSTD, PACKS };

static uint8_t *memory;
static uint8_t packed[PACKED_MAX];
static struct file {
    int fd;
    char path[32];
} kernel, initrd;

static void check(bool true_so_far)
{
    if (!true_so_far)
        abort();
}

static void file_make(struct file *file, const char *name)
{
    file->fd = memfd_create(name, 0);
    check(file->fd >= 0);
    snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
}

static void file_fill(struct file *file, const void *bytes, size_t len)
{
    check(ftruncate(file->fd, 0) == 0);
    check(pwrite(file->fd, bytes, len, 0) == (ssize_t)len);
}

static size_t gzip(const uint8_t *bytes, size_t len, uint8_t *to, size_t room)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes,
                       .avail_in = (uInt)len,
                       .next_out = to,
                       .avail_out = (uInt)room};

    check(deflateInit2(&stream, 1, Z_DEFLATED, 16 + MAX_WBITS, 8,
                       Z_DEFAULT_STRATEGY) == Z_OK);
    check(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    room = stream.total_out;
    deflateEnd(&stream);
    return room;
}

static size_t zstd(const uint8_t *bytes, size_t len, uint8_t *to, size_t room)
{
    size_t n = ZSTD_compress(to, room, bytes, len, 1);

    check(!ZSTD_isError(n));
    return n;
}

/* The length of what was packed into `packed`. */
static size_t pack(enum pack how, const uint8_t *bytes, size_t len)
{
    size_t at = how >= ZBOOT_GZIP ? ZBOOT_HEADER_BYTES : 0, n;

    memset(packed, 0, ZBOOT_HEADER_BYTES);
    if (how == GZIP || how == ZBOOT_GZIP)
        n = gzip(bytes, len, packed + at, sizeof(packed) - at);
    else
        n = zstd(bytes, len, packed + at, sizeof(packed) - at);
    if (at != 0) {
        memcpy(packed, "MZ\0\0zimg", 8);
        put_le32(packed + 8, (uint32_t)at);
        put_le32(packed + 12, (uint32_t)n);
        memcpy(packed + 24, how == ZBOOT_GZIP ? "gzip" : "zstd", 4);
    }
    return at + n;
}

static void check_layout(const struct boot_layout *layout)
{
    uint64_t end = RAM_GPA + RAM_BYTES, initrd_bytes;

    check(layout->dtb >= RAM_GPA && layout->dtb <= end - BOOT_DTB_BYTES);
    check(layout->dtb % 8 == 0);
    check(layout->entry < layout->dtb ||
          layout->entry >= layout->dtb + BOOT_DTB_BYTES);
    initrd_bytes = layout->initrd_end - layout->initrd;
    if (initrd_bytes == 0)
        return;
    check(initrd_bytes == INITRD_BYTES && layout->initrd_end <= end);
    check(layout->initrd >= layout->dtb + BOOT_DTB_BYTES);
    check(layout->entry < layout->initrd ||
          layout->entry >= layout->initrd_end);
}

/* For a terminal: one line, and nothing of the file's that could steer it. */
static void check_line(const char *text)
{
    check(*text != '\0');
    for (; *text != '\0'; text++)
        check(*text >= ' ' && *text <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned flags = (unsigned)fuzz_take(&in, 1);
    enum pack how = flags % 8;
    struct boot_files files = {.granules_kib = 4};
    struct lull_ram ram;
    struct boot_layout layout;
    struct why why;

    if (memory == NULL) {
        memory = malloc(RAM_BYTES);
        check(memory != NULL);
        file_make(&kernel, "kernel");
        file_make(&initrd, "initrd");
        file_fill(&initrd, memory, INITRD_BYTES);
    }
    if (how == BARE || how >= PACKS)
        file_fill(&kernel, in.bytes, in.left);
    else
        file_fill(&kernel, packed, pack(how, in.bytes, in.left));
    files.kernel = kernel.path;
    files.initrd = flags & 8 ? initrd.path : NULL;
    ram = (struct lull_ram){memory, RAM_GPA, RAM_BYTES};
    why.text[0] = '\0';
    if (boot_load(&files, &ram, &layout, &why))
        check_layout(&layout);
    else
        check_line(why.text);
    return 0;
}
