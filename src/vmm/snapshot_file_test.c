/*
 * A snapshot file's sections: what was written is read, and what is damaged,
 * cut off or moved is not.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "lull/bytes.h"
#include "snapshot_file.h"
#include "test_main.h"

static struct snapshot_writer writer;
static struct why why;
static int fd;
static uint8_t memory[3 * SNAPSHOT_PAGE_BYTES];

static void setup(void)
{
    char path[] = "/tmp/lull-test-XXXXXX";

    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    for (size_t i = 0; i < sizeof(memory); i++)
        memory[i] = (uint8_t)(i * 7 + i / 256);
}

static void teardown(void)
{
    close(fd);
}

/* Some sections of each size; more than fit into one batch. */
enum { SECTIONS = 3 * SNAPSHOT_BATCH + 5 };

static size_t section_len(unsigned number)
{
    return number % 9 == 0 ? sizeof(memory) : number % 50;
}

static enum snapshot_type section_type(unsigned number)
{
    return number % 2 ? SNAPSHOT_VCPU : SNAPSHOT_RAM;
}

static void write_file(void)
{
    ck_assert(snapshot_write_begin(&writer, fd, &why));
    for (unsigned i = 0; i < SECTIONS; i++)
        ck_assert(snapshot_write(&writer, section_type(i), i, memory,
                                 section_len(i), &why));
    ck_assert(snapshot_write_end(&writer, &why));
    ck_assert_uint_eq(writer.bytes, (uint64_t)lseek(fd, 0, SEEK_END));
}

/* As far as it goes; true: to its end. */
static bool read_file(void)
{
    struct snapshot_section section;
    struct snapshot_reader reader;
    static uint8_t bytes[SNAPSHOT_RAM_BYTES_MAX];

    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    why.text[0] = '\0';
    if (!snapshot_read_begin(&reader, fd, &why))
        return false;
    for (unsigned i = 0; snapshot_read_head(&reader, &section, &why); i++) {
        if (section.type == SNAPSHOT_END)
            return true;
        if (!snapshot_read_contents(&reader, &section, bytes, &why))
            return false;
        ck_assert_uint_eq(section.type, section_type(i));
        ck_assert_uint_eq(section.number, i);
        ck_assert_uint_eq(section.len, section_len(i));
        ck_assert_mem_eq(bytes, memory, section.len);
    }
    return false;
}

START_TEST(what_was_written_is_read)
{
    write_file();
    ck_assert(read_file());
}
END_TEST

START_TEST(every_byte_is_checked)
{
    off_t end;
    uint8_t byte;

    write_file();
    end = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < end; at += at < 200 ? 1 : 97) {
        ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
        byte ^= (uint8_t)(1U << at % 8);
        ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
        ck_assert(!read_file());
        ck_assert_int_ne(why.text[0], '\0');
        byte ^= (uint8_t)(1U << at % 8);
        ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    }
    ck_assert(read_file());
}
END_TEST

START_TEST(no_length_but_one_will_do)
{
    off_t end;

    write_file();
    end = lseek(fd, 0, SEEK_END);
    ck_assert_int_eq(pwrite(fd, "", 1, end), 1);
    ck_assert(!read_file());
    ck_assert_ptr_nonnull(strstr(why.text, "behind its end"));
    for (off_t len = end - 1; len >= 0; len -= len > 400 ? 131 : 1) {
        ck_assert_int_eq(ftruncate(fd, len), 0);
        ck_assert(!read_file());
        ck_assert_ptr_nonnull(strstr(why.text, len < SNAPSHOT_HEADER_BYTES
                                                   ? "no snapshot"
                                                   : "truncated"));
    }
}
END_TEST

/* Heads whose checksums are right. */
static void write_head(uint32_t type, uint32_t number, uint64_t len)
{
    uint8_t head[SNAPSHOT_SECTION_BYTES];

    put_le32(head, type);
    put_le32(head + 4, number);
    put_le64(head + 8, len);
    put_le32(head + 16, 0);
    put_le32(head + 20, (uint32_t)crc32(0, head, 20));
    ck_assert_int_eq(write(fd, head, sizeof(head)), (ssize_t)sizeof(head));
}

START_TEST(a_length_is_not_believed)
{
    static const uint64_t lengths[] = {SNAPSHOT_STATE_BYTES_MAX + 1ULL,
                                       1ULL << 32, UINT64_MAX};

    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        ck_assert_int_eq(ftruncate(fd, 0), 0);
        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        ck_assert(snapshot_write_begin(&writer, fd, &why));
        write_head(SNAPSHOT_GIC, 0, lengths[i]);
        ck_assert(!read_file());
        ck_assert_ptr_nonnull(strstr(why.text, "too long"));
    }
}
END_TEST

START_TEST(a_missing_section_is_missed)
{
    ck_assert(snapshot_write_begin(&writer, fd, &why));
    ck_assert(snapshot_write_flush(&writer, &why));
    write_head(SNAPSHOT_END, 1, 0);
    ck_assert(!read_file());
    ck_assert_ptr_nonnull(strstr(why.text, "missing"));
}
END_TEST

START_TEST(a_disk_that_is_full)
{
    int full = open("/dev/full", O_WRONLY);

    if (full < 0)
        return; /* a host that has none */
    ck_assert(!snapshot_write_begin(&writer, full, &why));
    ck_assert_ptr_nonnull(strstr(why.text, "No space"));
    close(full);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_was_written_is_read,    every_byte_is_checked,
        no_length_but_one_will_do,   a_length_is_not_believed,
        a_missing_section_is_missed, a_disk_that_is_full,
    };

    return test_main_with("snapshot-file", tests, COUNT_OF(tests), setup,
                          teardown);
}
