/*
 * Sections to a file and back, with zlib's CRC-32.
 */
#include "snapshot_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "lull/bytes.h"

static const char magic[8] = {'L', 'U', 'L', 'L', 'S', 'N', 'A', 'P'};

static uint32_t crc_of(const void *bytes, size_t len)
{
    return (uint32_t)crc32_z(0, bytes, len);
}

/* ---- writing ---------------------------------------------------------------
 */

/* Past the first n bytes. */
static void advance(struct iovec **vector, int *count, size_t n)
{
    while (*count > 0 && n >= (*vector)->iov_len) {
        n -= (*vector)->iov_len;
        ++*vector;
        --*count;
    }
    if (*count > 0) {
        (*vector)->iov_base = (uint8_t *)(*vector)->iov_base + n;
        (*vector)->iov_len -= n;
    }
}

static bool write_all(struct snapshot_writer *writer, struct iovec *vector,
                      int count, struct why *why)
{
    while (count > 0) {
        ssize_t n = writev(writer->fd, vector, count);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return because(why, "the snapshot: %s", strerror(errno));
        if (n == 0)
            return because(why, "the snapshot: nothing could be written");
        writer->bytes += (uint64_t)n;
        advance(&vector, &count, (size_t)n);
    }
    return true;
}

bool snapshot_write_begin(struct snapshot_writer *writer, int fd,
                          struct why *why)
{
    uint8_t header[SNAPSHOT_HEADER_BYTES];
    struct iovec vector = {header, sizeof(header)};

    writer->fd = fd;
    writer->sections = 0;
    writer->bytes = 0;
    writer->batch = 0;
    writer->batch_bytes = 0;
    memcpy(header, magic, sizeof(magic));
    put_le32(header + 8, SNAPSHOT_VERSION);
    put_le32(header + 12, crc_of(header, 12));
    return write_all(writer, &vector, 1, why);
}

bool snapshot_write_flush(struct snapshot_writer *writer, struct why *why)
{
    int count = 2 * (int)writer->batch;

    writer->batch = 0;
    writer->batch_bytes = 0;
    return write_all(writer, writer->vector, count, why);
}

bool snapshot_write(struct snapshot_writer *writer, enum snapshot_type type,
                    uint32_t number, const void *bytes, size_t len,
                    struct why *why)
{
    uint8_t *head = writer->heads[writer->batch];
    struct iovec *vector = &writer->vector[2 * (size_t)writer->batch];

    put_le32(head, type);
    put_le32(head + 4, number);
    put_le64(head + 8, len);
    put_le32(head + 16, crc_of(bytes, len));
    put_le32(head + 20, crc_of(head, 20));
    vector[0] = (struct iovec){head, SNAPSHOT_SECTION_BYTES};
    vector[1] = (struct iovec){(void *)(uintptr_t)bytes, len};
    writer->sections++;
    writer->batch_bytes += len;
    if (++writer->batch < SNAPSHOT_BATCH)
        return true;
    return snapshot_write_flush(writer, why);
}

bool snapshot_write_end(struct snapshot_writer *writer, struct why *why)
{
    return snapshot_write(writer, SNAPSHOT_END, writer->sections, "", 0, why) &&
           snapshot_write_flush(writer, why);
}

/* ---- reading ---------------------------------------------------------------
 */

/* Exactly so much, unless the file ends. */
static bool read_all(struct snapshot_reader *reader, void *to, size_t len,
                     size_t *got, struct why *why)
{
    *got = 0;
    while (*got < len) {
        ssize_t n = read(reader->fd, (uint8_t *)to + *got, len - *got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return because(why, "%s", strerror(errno));
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    reader->bytes += *got;
    return true;
}

static bool read_whole(struct snapshot_reader *reader, void *to, size_t len,
                       struct why *why)
{
    size_t got;

    if (!read_all(reader, to, len, &got, why))
        return false;
    return got == len ||
           because(why,
                   "the file ends after %llu bytes, within a section: it "
                   "was truncated",
                   (unsigned long long)reader->bytes);
}

bool snapshot_read_begin(struct snapshot_reader *reader, int fd,
                         struct why *why)
{
    uint8_t header[SNAPSHOT_HEADER_BYTES];
    size_t got;

    *reader = (struct snapshot_reader){.fd = fd};
    if (!read_all(reader, header, sizeof(header), &got, why))
        return false;
    if (got < sizeof(header) || memcmp(header, magic, sizeof(magic)) != 0)
        return because(why, "this is no snapshot of lull save's");
    if (get_le32(header + 12) != crc_of(header, 12))
        return because(why, "the header is damaged");
    if (get_le32(header + 8) != SNAPSHOT_VERSION)
        return because(why,
                       "a snapshot of version %u; this program reads version "
                       "%d: restore it with the program that saved it",
                       get_le32(header + 8), SNAPSHOT_VERSION);
    return true;
}

static bool check_end(struct snapshot_reader *reader,
                      const struct snapshot_section *section, struct why *why)
{
    uint8_t byte;
    size_t got;

    if (section->number != reader->sections)
        return because(why, "sections are missing");
    if (!read_all(reader, &byte, 1, &got, why))
        return false;
    return got == 0 || because(why, "there is something behind its end");
}

bool snapshot_read_head(struct snapshot_reader *reader,
                        struct snapshot_section *section, struct why *why)
{
    uint8_t head[SNAPSHOT_SECTION_BYTES];
    uint64_t len, most;

    if (!read_whole(reader, head, sizeof(head), why))
        return false;
    if (get_le32(head + 20) != crc_of(head, 20))
        return because(why, "the head of section %u is damaged",
                       reader->sections);
    section->type = (enum snapshot_type)get_le32(head);
    section->number = get_le32(head + 4);
    section->crc = get_le32(head + 16);
    len = get_le64(head + 8);
    most = section->type == SNAPSHOT_RAM   ? SNAPSHOT_RAM_BYTES_MAX
           : section->type == SNAPSHOT_END ? 0
                                           : SNAPSHOT_STATE_BYTES_MAX;
    if (len > most)
        return because(why, "section %u is too long", reader->sections);
    section->len = (uint32_t)len;
    if (section->type == SNAPSHOT_END)
        return check_end(reader, section, why);
    reader->sections++;
    return true;
}

bool snapshot_read_contents(struct snapshot_reader *reader,
                            const struct snapshot_section *section, void *to,
                            struct why *why)
{
    if (!read_whole(reader, to, section->len, why))
        return false;
    return crc_of(to, section->len) == section->crc ||
           because(why, "section %u is damaged: its checksum is wrong",
                   reader->sections - 1);
}
