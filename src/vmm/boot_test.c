/*
 * The loader: every kind of kernel, whole, damaged and hostile, and where it
 * puts them. Files are made here, byte by byte.
 */
#include "boot.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "image.h"
#include "lull/bytes.h"
#include "test_main.h"

#define GPA 0x40000000ULL
#define RAM_BYTES (16ULL << 20)

static uint8_t *memory;
static struct lull_ram ram;
static char kernel_path[64], initrd_path[64];
static struct boot_layout layout;
static struct why why;

static void setup(void)
{
    memory = calloc(1, RAM_BYTES);
    ram = (struct lull_ram){memory, GPA, RAM_BYTES};
    snprintf(kernel_path, sizeof(kernel_path), "/tmp/boot_test.%d.k",
             (int)getpid());
    snprintf(initrd_path, sizeof(initrd_path), "/tmp/boot_test.%d.i",
             (int)getpid());
    memset(&why, 0, sizeof(why));
}

static void teardown(void)
{
    unlink(kernel_path);
    unlink(initrd_path);
    free(memory);
}

static void put_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
    ck_assert_int_eq(fclose(file), 0);
}

static bool load(const void *kernel, size_t len, const char *initrd)
{
    struct boot_files files = {kernel_path, initrd, 4};

    put_file(kernel_path, kernel, len);
    return boot_load(&files, &ram, &layout, &why);
}

/* Refused, with these words in the line, which names file and option. */
static void refused(const void *kernel, size_t len, const char *words)
{
    ck_assert_msg(!load(kernel, len, NULL), "loaded: %s", words);
    ck_assert_msg(strstr(why.text, words) != NULL, "\"%s\" not in \"%s\"",
                  words, why.text);
    ck_assert_msg(strstr(why.text, kernel_path) != NULL, "%s", why.text);
    ck_assert_msg(strstr(why.text, "--kernel") != NULL, "%s", why.text);
    ck_assert_ptr_null(strchr(why.text, '\n'));
}

/* Bytes that are no string. */
static void put(void *to, const char *bytes, size_t len)
{
    memcpy(to, bytes, len);
}

/* ---- an Image of our own
 * -------------------------------------------------------- */

enum { LINUX_BYTES = 8192 };

static uint8_t linux_image[LINUX_BYTES];

static void make_linux(uint64_t text_offset, uint64_t image_size,
                       uint64_t flags)
{
    size_t i;

    for (i = 64; i < LINUX_BYTES; i++)
        linux_image[i] = (uint8_t)(i * 31 >> 3);
    memset(linux_image, 0, 64);
    put_le32(linux_image, 0x14000010); /* b #64 */
    put_le64(linux_image + 8, text_offset);
    put_le64(linux_image + 16, image_size);
    put_le64(linux_image + 24, flags);
    put(linux_image + 0x38, "ARM\x64", 4);
}

static void loaded_linux_at(uint64_t gpa)
{
    ck_assert_uint_eq(layout.entry, gpa);
    ck_assert_int_eq(memcmp(memory + (gpa - GPA), linux_image, LINUX_BYTES), 0);
}

START_TEST(linux_goes_to_a_2_mib_boundary)
{
    make_linux(0, 0x10000, 0xa);
    ck_assert_msg(load(linux_image, LINUX_BYTES, NULL), "%s", why.text);
    loaded_linux_at(GPA + 0x200000);
    ck_assert_uint_eq(layout.dtb, GPA);
    ck_assert_uint_eq(layout.initrd, layout.initrd_end);
}
END_TEST

START_TEST(linux_with_the_old_offset_goes_there)
{
    make_linux(0x80000, 0x10000, 0);
    ck_assert_msg(load(linux_image, LINUX_BYTES, NULL), "%s", why.text);
    loaded_linux_at(GPA + 0x80000);
    ck_assert_uint_eq(layout.dtb, GPA);
}
END_TEST

START_TEST(linux_without_a_size_is_older_still)
{
    make_linux(0x123456, 0, 0);
    ck_assert_msg(load(linux_image, LINUX_BYTES, NULL), "%s", why.text);
    loaded_linux_at(GPA + 0x80000);
}
END_TEST

START_TEST(linux_with_hostile_sizes)
{
    static const uint64_t bad[][2] = {
        {0, 1ULL << 63},
        {0, UINT64_MAX},
        {0, RAM_BYTES},
        {UINT64_MAX, 0x10000},
        {UINT64_MAX - 0x200000, 0x10000},
        {RAM_BYTES, 0x10000},
        {RAM_BYTES - 0x1000, 0x2000},
        {0x7ffff, UINT64_MAX - 0x7ffff},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(bad); i++) {
        make_linux(bad[i][0], bad[i][1], 0);
        refused(linux_image, LINUX_BYTES, "larger --memory");
    }
}
END_TEST

START_TEST(linux_that_this_cpu_cannot_run)
{
    make_linux(0, 0x10000, 1);
    refused(linux_image, LINUX_BYTES, "big-endian");
    make_linux(0, 0x10000, 2 << 1);
    refused(linux_image, LINUX_BYTES, "16 KiB pages");
    make_linux(0, 0x10000, 3 << 1);
    refused(linux_image, LINUX_BYTES, "64 KiB pages");
}
END_TEST

/* An EFI stub with one section, as kernels have. */
static void add_pe(uint32_t raw_at, uint32_t raw_bytes)
{
    uint8_t *pe = linux_image + 64;

    put(linux_image, "MZ", 2);
    put_le32(linux_image + 0x3c, 64);
    memset(pe, 0, 128);
    put(pe, "PE\0\0", 4);
    put_le16(pe + 6, 1);   /* sections */
    put_le16(pe + 20, 16); /* size of the optional header */
    put_le32(pe + 40 + 16, raw_bytes);
    put_le32(pe + 40 + 20, raw_at);
}

START_TEST(linux_cut_short)
{
    make_linux(0, 0x10000, 0xa);
    add_pe(4096, 4096);
    ck_assert_msg(load(linux_image, LINUX_BYTES, NULL), "%s", why.text);
    refused(linux_image, LINUX_BYTES - 1, "truncated");
    refused(linux_image, 62, "truncated");
    add_pe(0xffffffff, 0xffffffff);
    refused(linux_image, LINUX_BYTES, "truncated");
}
END_TEST

START_TEST(linux_with_a_senseless_section_table_still_loads)
{
    make_linux(0, 0x10000, 0xa);
    add_pe(4096, 4096);
    put_le32(linux_image + 0x3c, 0xfffffff0);
    ck_assert_msg(load(linux_image, LINUX_BYTES, NULL), "%s", why.text);
    put_le32(linux_image + 0x3c, 64);
    put_le16(linux_image + 64 + 6, 0xffff);
    ck_assert_msg(load(linux_image, LINUX_BYTES, NULL), "%s", why.text);
}
END_TEST

/* ---- packed
 * -------------------------------------------------------------------------- */

static uint8_t packed[2 * LINUX_BYTES];

static size_t gzip(const void *bytes, size_t len)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes,
                  .avail_in = (uInt)len,
                  .next_out = packed,
                  .avail_out = sizeof(packed)};

    ck_assert_int_eq(
        deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
        Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static size_t zstd(const void *bytes, size_t len)
{
    size_t n = ZSTD_compress(packed, sizeof(packed), bytes, len, 3);

    ck_assert(!ZSTD_isError(n));
    return n;
}

/* zboot: header, payload, and some words behind it that are not payload. */
static uint8_t zboot[4 * LINUX_BYTES];

static size_t make_zboot(size_t payload, const char *method)
{
    memset(zboot, 0, sizeof(zboot));
    put(zboot, "MZ\0\0zimg", 8);
    put_le32(zboot + 8, 512);
    put_le32(zboot + 12, (uint32_t)payload);
    snprintf((char *)zboot + 24, 24, "%s", method);
    memcpy(zboot + 512, packed, payload);
    return 512 + payload + 64;
}

START_TEST(packed_kernels_are_unpacked)
{
    make_linux(0, 0x10000, 0xa);
    ck_assert_msg(load(packed, gzip(linux_image, LINUX_BYTES), NULL), "%s",
                  why.text);
    loaded_linux_at(GPA + 0x200000);
    memset(memory, 0, RAM_BYTES);
    ck_assert_msg(load(packed, zstd(linux_image, LINUX_BYTES), NULL), "%s",
                  why.text);
    loaded_linux_at(GPA + 0x200000);
}
END_TEST

START_TEST(zboot_kernels_are_unpacked)
{
    size_t len;

    make_linux(0, 0x10000, 0xa);
    len = make_zboot(gzip(linux_image, LINUX_BYTES), "gzip");
    ck_assert_msg(load(zboot, len, NULL), "%s", why.text);
    loaded_linux_at(GPA + 0x200000);
    memset(memory, 0, RAM_BYTES);
    /* some kernels count the size word behind the payload in */
    len = make_zboot(zstd(linux_image, LINUX_BYTES) + 4, "zstd22");
    ck_assert_msg(load(zboot, len, NULL), "%s", why.text);
    loaded_linux_at(GPA + 0x200000);
}
END_TEST

START_TEST(damaged_packing_is_said)
{
    size_t len, i;

    make_linux(0, 0x10000, 0xa);
    len = gzip(linux_image, LINUX_BYTES);
    refused(packed, len / 2, "truncated");
    refused(packed, len - 4, "truncated");
    refused(packed, 18, "truncated");
    packed[len / 2] ^= 0x55;
    packed[len / 2 + 1] ^= 0x55;
    refused(packed, len, "damaged");
    len = zstd(linux_image, LINUX_BYTES);
    refused(packed, len / 2, "truncated");
    for (i = 4; i < 12; i++) /* the frame's header: data has no checksum */
        packed[i] ^= 0x55;
    refused(packed, len, "damaged");
}
END_TEST

START_TEST(a_bomb_stops_at_the_size_of_memory)
{
    static uint8_t bomb[1 << 16];
    size_t zeros = RAM_BYTES + 1;
    uint8_t *bytes = calloc(1, zeros);
    z_stream z = {.next_in = bytes,
                  .avail_in = (uInt)zeros,
                  .next_out = bomb,
                  .avail_out = sizeof(bomb)};

    ck_assert_int_eq(
        deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
        Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    free(bytes);
    refused(bomb, z.total_out, "when unpacked");
}
END_TEST

START_TEST(hostile_zboot_headers)
{
    size_t payload, len;

    make_linux(0, 0x10000, 0xa);
    payload = gzip(linux_image, LINUX_BYTES);
    len = make_zboot(payload, "gzip");
    put_le32(zboot + 12, 0xffffffff);
    refused(zboot, len, "truncated");
    put_le32(zboot + 12, (uint32_t)payload);
    put_le32(zboot + 8, 0xffffffff);
    refused(zboot, len, "truncated");
    put_le32(zboot + 8, (uint32_t)len);
    put_le32(zboot + 12, 0);
    refused(zboot, len, "gzip and zstd are understood");
    len = make_zboot(payload, "lzma");
    memset(zboot + 512, 0x5d, 32);
    refused(zboot, len, "lzma");
    len = make_zboot(payload, "a\n\033]0;b\007\377");
    memset(zboot + 512, 0x5d, 32);
    refused(zboot, len, "\"a??]0;b??\"");
    /* what is inside is not a kernel for this machine */
    make_linux(0, 0x10000, 0xa);
    memset(linux_image + 0x38, 0, 4);
    len = make_zboot(gzip(linux_image, LINUX_BYTES), "gzip");
    refused(zboot, len, "without an arm64 Image");
}
END_TEST

/* ---- ELF
 * ---------------------------------------------------------------------------------
 */

static uint8_t elf[4096];

/* One segment of 512 bytes in the file and 1024 in memory. */
static void make_elf(uint64_t vaddr, uint64_t paddr, uint64_t entry)
{
    uint8_t *p = elf + 64;
    size_t i;

    memset(elf, 0, sizeof(elf));
    put(elf, "\177ELF\2\1\1", 7);
    put_le16(elf + 16, 2);
    put_le16(elf + 18, 183);
    put_le64(elf + 24, entry);
    put_le64(elf + 32, 64);
    put_le16(elf + 54, 56);
    put_le16(elf + 56, 1);
    put_le32(p, 1);
    put_le64(p + 8, 1024);
    put_le64(p + 16, vaddr);
    put_le64(p + 24, paddr);
    put_le64(p + 32, 512);
    put_le64(p + 40, 1024);
    for (i = 0; i < 512; i++)
        elf[1024 + i] = (uint8_t)(i | 1);
}

START_TEST(elf_goes_to_its_physical_addresses)
{
    const uint64_t at = GPA + 0x300000;

    make_elf(0xffff800000000000ULL, at, 0xffff800000000010ULL);
    memset(memory, 0xee, RAM_BYTES);
    ck_assert_msg(load(elf, sizeof(elf), NULL), "%s", why.text);
    ck_assert_uint_eq(layout.entry, at + 0x10);
    ck_assert_uint_eq(layout.dtb, GPA);
    ck_assert_int_eq(memcmp(memory + 0x300000, elf + 1024, 512), 0);
    ck_assert_uint_eq(memory[0x300000 + 512], 0);
    ck_assert_uint_eq(memory[0x300000 + 1023], 0);
    ck_assert_uint_eq(memory[0x300000 + 1024], 0xee);
}
END_TEST

START_TEST(elf_at_the_bottom_moves_the_device_tree)
{
    make_elf(GPA, GPA, GPA);
    ck_assert_msg(load(elf, sizeof(elf), NULL), "%s", why.text);
    ck_assert_uint_eq(layout.entry, GPA);
    ck_assert_uint_eq(layout.dtb, GPA + 0x200000);
}
END_TEST

START_TEST(elf_refused)
{
    make_elf(GPA, GPA, GPA);
    elf[4] = 1;
    refused(elf, sizeof(elf), "32-bit");
    make_elf(GPA, GPA, GPA);
    elf[5] = 2;
    refused(elf, sizeof(elf), "big-endian");
    make_elf(GPA, GPA, GPA);
    put_le16(elf + 18, 62);
    refused(elf, sizeof(elf), "another machine");
    make_elf(GPA, GPA, GPA);
    put_le16(elf + 16, 3);
    refused(elf, sizeof(elf), "fixed addresses");
    make_elf(GPA, 0xffff800000000000ULL, GPA);
    refused(elf, sizeof(elf), "memory is");
    make_elf(GPA, GPA + RAM_BYTES - 1023, GPA);
    refused(elf, sizeof(elf), "memory is");
    make_elf(GPA, GPA, GPA + 1024);
    refused(elf, sizeof(elf), "entry point");
}
END_TEST

START_TEST(elf_with_hostile_tables)
{
    static const struct {
        unsigned offset;
        uint64_t value;
    } bad[] = {
        {32, UINT64_MAX},      /* program headers beyond the end */
        {32, 4090},            /* their last one half outside */
        {64 + 8, UINT64_MAX},  /* segment beyond the end of the file */
        {64 + 8, 4096 - 511},  /* by a byte */
        {64 + 32, UINT64_MAX}, /* more in the file than in memory */
        {64 + 40, UINT64_MAX}, /* more memory than there is */
        {64 + 24, UINT64_MAX}, /* at the end of the address space */
    };
    size_t i;

    for (i = 0; i < COUNT_OF(bad); i++) {
        make_elf(GPA, GPA, GPA);
        put_le64(elf + bad[i].offset, bad[i].value);
        refused(elf, sizeof(elf), "ELF");
    }
    make_elf(GPA, GPA, GPA);
    put_le16(elf + 54, 8); /* entries too small to be read */
    refused(elf, sizeof(elf), "ELF");
    make_elf(GPA, GPA, GPA);
    put_le16(elf + 56, 0xffff);
    refused(elf, sizeof(elf), "ELF");
    make_elf(GPA, GPA, GPA);
    refused(elf, 63, "truncated");
}
END_TEST

/* ---- everything else
 * ------------------------------------------------------------------------- */

START_TEST(raw_goes_behind_the_device_tree)
{
    static const uint8_t raw[] = {0x1f, 0x20, 0x03, 0xd5,
                                  0x00, 0x00, 0x00, 0x14};

    ck_assert_msg(load(raw, sizeof(raw), NULL), "%s", why.text);
    ck_assert_uint_eq(layout.entry, GPA + 0x80000);
    ck_assert_uint_eq(layout.dtb, GPA);
    ck_assert_int_eq(memcmp(memory + 0x80000, raw, sizeof(raw)), 0);
}
END_TEST

START_TEST(strangers_are_named)
{
    static const struct {
        unsigned offset;
        const char *magic;
        unsigned magic_len;
        const char *words;
    } strangers[] = {
        {0x202, "HdrS", 4, "x86"},
        {0x24, "\x18\x28\x6f\x01", 4, "32-bit Arm"},
        {0x38, "RSC\x05", 4, "RISC-V"},
        {0, "\x27\x05\x19\x56", 4, "U-Boot"},
        {0, "\xd0\x0d\xfe\xed", 4, "FIT"},
        {0,
         "\xfd"
         "7zXZ",
         5, "xz"},
        {0, "BZh9", 4, "bzip2"},
        {0, "!<arch>\n", 8, "archive"},
        {0, "QFI\xfb", 4, "qcow2"},
        {0, "070701", 6, "--initrd"},
        {0, "MZ", 2, "EFI program"},
    };
    uint8_t file[1024];
    size_t i;

    for (i = 0; i < COUNT_OF(strangers); i++) {
        memset(file, 0x80, sizeof(file));
        memcpy(file + strangers[i].offset, strangers[i].magic,
               strangers[i].magic_len);
        refused(file, sizeof(file), strangers[i].words);
    }
    refused("<html><body>404</body></html>\n", 30, "text file");
    refused("#!/bin/sh\n", 10, "text file");
    refused("", 0, "empty");
}
END_TEST

START_TEST(packed_twice_is_refused)
{
    static uint8_t once[2 * LINUX_BYTES];
    size_t len;

    make_linux(0, 0x10000, 0xa);
    len = gzip(linux_image, LINUX_BYTES);
    memcpy(once, packed, len);
    refused(packed, gzip(once, len), "packed twice");
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
    struct boot_files files = {"/nonexistent/vmlinuz", NULL, 4};

    ck_assert(!boot_load(&files, &ram, &layout, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "/nonexistent/vmlinuz"));
    files.kernel = "/tmp";
    ck_assert(!boot_load(&files, &ram, &layout, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "directory"));
    files.kernel = "/dev/zero";
    ck_assert(!boot_load(&files, &ram, &layout, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "does not fit"));
}
END_TEST

/* ---- the initrd
 * ---------------------------------------------------------------------------------
 */

static bool load_with_initrd(size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    bool ok;

    memset(bytes, 0xa5, len + 1);
    put_file(initrd_path, bytes, len);
    free(bytes);
    make_linux(0, 0x10000, 0xa);
    ok = load(linux_image, LINUX_BYTES, initrd_path);
    return ok;
}

START_TEST(initrd_goes_to_the_top)
{
    ck_assert_msg(load_with_initrd(0x12345), "%s", why.text);
    ck_assert_uint_eq(layout.initrd, GPA + RAM_BYTES - 0x20000);
    ck_assert_uint_eq(layout.initrd_end - layout.initrd, 0x12345);
    ck_assert_uint_eq(memory[layout.initrd - GPA], 0xa5);
    ck_assert_uint_eq(memory[layout.initrd_end - GPA - 1], 0xa5);
    ck_assert_uint_eq(memory[layout.initrd_end - GPA], 0);
}
END_TEST

START_TEST(initrd_fits_exactly_or_not_at_all)
{
    /* behind the kernel's 64 KiB at 2 MiB */
    const size_t room = RAM_BYTES - 0x210000;

    ck_assert_msg(load_with_initrd(room), "%s", why.text);
    ck_assert_uint_eq(layout.initrd, GPA + 0x210000);
    ck_assert(!load_with_initrd(room + 1));
    ck_assert_ptr_nonnull(strstr(why.text, "--initrd"));
    ck_assert_ptr_nonnull(strstr(why.text, "larger --memory"));
    ck_assert(!load_with_initrd(RAM_BYTES + 1));
    ck_assert_ptr_nonnull(strstr(why.text, "larger --memory"));
}
END_TEST

START_TEST(initrd_that_is_not_there_or_empty)
{
    make_linux(0, 0x10000, 0xa);
    ck_assert(!load(linux_image, LINUX_BYTES, "/nonexistent/initrd"));
    ck_assert_ptr_nonnull(strstr(why.text, "--initrd /nonexistent/initrd"));
    ck_assert(!load_with_initrd(0));
    ck_assert_ptr_nonnull(strstr(why.text, "empty"));
}
END_TEST

/* A byte changed anywhere in a header: loaded or refused, never worse. Run
 * under the sanitizers, this is the test of all the bounds above. */
START_TEST(any_byte_may_be_wrong)
{
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    struct boot_files files = {kernel_path, NULL, 4};
    size_t at, v, len, loaded = 0;

    make_elf(GPA, GPA + 0x300000, GPA);
    for (at = 0; at < 120; at++) {
        for (v = 0; v < COUNT_OF(values); v++) {
            uint8_t was = elf[at];

            elf[at] = values[v];
            loaded += load(elf, sizeof(elf), NULL);
            elf[at] = was;
        }
    }
    make_linux(0, 0x10000, 0xa);
    add_pe(4096, 4096);
    len = make_zboot(gzip(linux_image, LINUX_BYTES), "gzip");
    for (at = 0; at < 64; at++) {
        for (v = 0; v < COUNT_OF(values); v++) {
            uint8_t was = zboot[at];

            zboot[at] = values[v];
            put_file(kernel_path, zboot, len);
            loaded += boot_load(&files, &ram, &layout, &why);
            zboot[at] = was;
        }
    }
    ck_assert_uint_gt(loaded, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        linux_goes_to_a_2_mib_boundary,
        linux_with_the_old_offset_goes_there,
        linux_without_a_size_is_older_still,
        linux_with_hostile_sizes,
        linux_that_this_cpu_cannot_run,
        linux_cut_short,
        linux_with_a_senseless_section_table_still_loads,
        packed_kernels_are_unpacked,
        zboot_kernels_are_unpacked,
        damaged_packing_is_said,
        a_bomb_stops_at_the_size_of_memory,
        hostile_zboot_headers,
        elf_goes_to_its_physical_addresses,
        elf_at_the_bottom_moves_the_device_tree,
        elf_refused,
        elf_with_hostile_tables,
        raw_goes_behind_the_device_tree,
        strangers_are_named,
        packed_twice_is_refused,
        files_that_cannot_be_read,
        initrd_goes_to_the_top,
        initrd_fits_exactly_or_not_at_all,
        initrd_that_is_not_there_or_empty,
        any_byte_may_be_wrong,
    };

    return test_main_with("boot", tests, COUNT_OF(tests), setup, teardown);
}
