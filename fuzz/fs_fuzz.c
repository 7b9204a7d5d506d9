/*
 * The file system device: requests of any shape, in rings that work, against a
 * share in a folder of the fuzzer's own. What may not happen is that anything
 * beside that folder changes or is read: a file there has contents and a mode
 * that are looked at after each input.
 *
 * Requests are made of the shapes that make sense, with numbers of nodes and
 * handles that exist, and damaged here and there.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz_input.h"
#include "lull/bytes.h"
#include "lull/virtio.h"

enum {
    RAM_BYTES = 65536,
    QUEUE = 16,
    RING = 0x4000, /* bytes for each queue's tables */
    AVAIL = 0x1000,
    USED = 0x2000,
    REQUEST = 0x8000,
    ANSWER = 0xc000,
    STATUS = 0x70,
    NOTIFY = 0x50,
    NODES = 8,
};
#define RAM_GPA 0x40000000ULL

static uint8_t memory[RAM_BYTES] __attribute__((aligned(4096)));
static const struct lull_ram ram = {memory, RAM_GPA, RAM_BYTES};
static uint16_t available[2];
static uint64_t node[NODES], handle[NODES]; /* of late */
static unsigned known, opened;
static char top[64], shared[80], outside[80];

/* ---- the folder ----------------------------------------------------------
 */

static void clean_up(void)
{
    char command[160];

    snprintf(command, sizeof(command), "rm -rf %s", top);
    if (system(command) != 0)
        perror(top);
}

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void make_folder(void)
{
    int fd;

    strcpy(top, "/tmp/fs_fuzz.XXXXXX");
    check(mkdtemp(top) != NULL, "no folder");
    atexit(clean_up);
    snprintf(shared, sizeof(shared), "%s/shared", top);
    snprintf(outside, sizeof(outside), "%s/outside", top);
    fd = open(outside, O_WRONLY | O_CREAT, 0640);
    check(fd >= 0 && write(fd, "outside", 7) == 7, "no file");
    close(fd);
}

static void fill_folder(void)
{
    char name[128];
    int fd;

    check(mkdir(shared, 0755) == 0, "no shared folder");
    snprintf(name, sizeof(name), "%s/l", shared);
    check(symlink("../outside", name) == 0, "no link");
    snprintf(name, sizeof(name), "%s/d", shared);
    check(symlink("..", name) == 0, "no link");
    snprintf(name, sizeof(name), "%s/s", shared);
    check(mkdir(name, 0755) == 0, "no folder in it");
    snprintf(name, sizeof(name), "%s/f", shared);
    fd = open(name, O_WRONLY | O_CREAT, 0644);
    check(fd >= 0 && write(fd, "inside", 6) == 6, "no file in it");
    close(fd);
}

/* Whatever the guest made of it, also of modes. */
static void empty_folder(const char *path)
{
    char name[4400];
    struct dirent *entry;
    DIR *dir;

    chmod(path, 0700);
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (unlink(name) != 0)
            empty_folder(name);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(path);
}

static void check_outside(void)
{
    char text[16] = {0};
    struct stat status;
    struct dirent *entry;
    DIR *dir = opendir(top);
    unsigned entries = 0;
    int fd = open(outside, O_RDONLY);

    check(fd >= 0 && read(fd, text, sizeof(text)) == 7 &&
              memcmp(text, "outside", 7) == 0,
          "the file outside changed");
    check(fstat(fd, &status) == 0 && (status.st_mode & 07777) == 0640 &&
              status.st_nlink == 1,
          "the file outside has another mode, or another name");
    close(fd);
    while ((entry = readdir(dir)) != NULL)
        entries++;
    closedir(dir);
    /* ".", ".." and the file. */
    check(entries == 3, "something was made or removed outside");
}

/* ---- the driver ----------------------------------------------------------
 */

static void set(struct lull_virtio *dev, unsigned offset, uint32_t value)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);

    m->write(m->dev, offset, 4, value);
}

static void start_queue(struct lull_virtio *dev, unsigned queue)
{
    uint32_t at = (uint32_t)RAM_GPA + RING * queue;

    set(dev, 0x30, queue);
    set(dev, 0x38, QUEUE);
    set(dev, 0x80, at);
    set(dev, 0x90, at + AVAIL);
    set(dev, 0xa0, at + USED);
    set(dev, 0x44, 1);
    available[queue] = 0;
}

static void start(struct lull_virtio *dev)
{
    set(dev, STATUS, 0);
    memset(memory, 0, REQUEST);
    set(dev, STATUS, 3);
    set(dev, 0x24, 0);
    set(dev, 0x20, 3U << 28);
    set(dev, 0x24, 1);
    set(dev, 0x20, 1);
    set(dev, STATUS, 11);
    start_queue(dev, 0);
    start_queue(dev, 1);
    set(dev, STATUS, 15);
    known = opened = 0;
}

static uint16_t used(unsigned queue)
{
    return __atomic_load_n(
        (const uint16_t *)(const void *)(memory + RING * queue + USED + 2),
        __ATOMIC_ACQUIRE);
}

/* For its answer, or the end of the device; with rings that were damaged there
 * may be neither. The device's lock then says that its thread has looked and
 * is asleep, so that memory is ours. */
static void wait_for(struct lull_virtio *dev, unsigned queue)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);
    unsigned patience = 20000;

    while (used(queue) != available[queue] && --patience != 0 &&
           (m->read(m->dev, STATUS, 4) & 0x44) == 4)
        sched_yield();
    if (patience == 0)
        start(dev);
    m->read(m->dev, STATUS, 4);
}

static void put_descriptor(unsigned queue, unsigned n, uint32_t at,
                           uint32_t len, unsigned flags)
{
    uint8_t *d = memory + RING * queue + 16 * n;

    put_le64(d, RAM_GPA + at);
    put_le32(d + 8, len);
    put_le16(d + 12, (uint16_t)flags);
    put_le16(d + 14, (uint16_t)(n + 1));
}

/* In pieces, and mostly with room for what is to come. */
static void offer(struct lull_virtio *dev, struct fuzz_input *in, uint32_t len)
{
    unsigned shape = (unsigned)fuzz_take(in, 1);
    unsigned queue = (shape & 15) == 0 ? 0 : 1;
    uint32_t cut = shape & 16 ? 1 + (uint32_t)fuzz_take(in, 1) % 100 : 40;
    uint32_t room = shape & 32 ? (uint32_t)fuzz_take(in, 1) : 0x3000;

    cut = cut < len ? cut : len;
    put_descriptor(queue, 0, REQUEST, cut, 1);
    put_descriptor(queue, 1, REQUEST + cut, len - cut, room != 0 ? 1 : 0);
    put_descriptor(queue, 2, ANSWER, room / 2, 3);
    put_descriptor(queue, 3, ANSWER + room / 2, room - room / 2, 2);
    put_le16(memory + RING * queue + AVAIL + 4 +
                 2 * (size_t)(available[queue] % QUEUE),
             0);
    __atomic_store_n((uint16_t *)(void *)(memory + RING * queue + AVAIL + 2),
                     ++available[queue], __ATOMIC_RELEASE);
    set(dev, NOTIFY, queue);
    if ((shape & 192) == 192) /* stop it in the middle */
        start(dev);
    else
        wait_for(dev, queue);
}

/* ---- requests ------------------------------------------------------------
 */

struct request {
    uint8_t bytes[4096];
    uint32_t len;
};

static void add(struct request *r, const void *bytes, uint32_t len)
{
    memcpy(r->bytes + r->len, bytes, len);
    r->len += len;
}

static void add_name(struct request *r, struct fuzz_input *in)
{
    static const char *const names[] = {
        "f", "s", "l", "d", "n", "m", "..", ".", "", "../outside", "s/x", "x",
    };
    const char *name = names[fuzz_take(in, 1) % 12];

    add(r, name, (uint32_t)strlen(name) + 1);
}

static uint64_t some_node(struct fuzz_input *in)
{
    unsigned which = (unsigned)fuzz_take(in, 1);

    if (which < 96 || known == 0)
        return 1;
    return which == 255 ? fuzz_take(in, 8) : node[which % known % NODES];
}

/* Arguments before the names, as many bytes as the opcode takes, small numbers
 * and handles among them. */
static uint32_t arguments_of(uint32_t opcode)
{
    static const uint8_t bytes[52] = {
        [2] = 8,   [3] = 16,  [4] = 88,  [8] = 16,  [9] = 8,   [12] = 8,
        [13] = 8,  [14] = 8,  [15] = 40, [16] = 40, [18] = 24, [20] = 16,
        [26] = 64, [27] = 8,  [28] = 40, [29] = 24, [30] = 16, [35] = 16,
        [42] = 24, [44] = 40, [45] = 16, [46] = 24, [50] = 8,
    };

    return opcode < 52 ? bytes[opcode] : 0;
}

static unsigned names_of(uint32_t opcode)
{
    switch (opcode) {
    case 1:
    case 8:
    case 9:
    case 10:
    case 11:
    case 13:
    case 35:
        return 1;
    case 6:
    case 12:
    case 45:
        return 2;
    default:
        return 0;
    }
}

static void put_arguments(struct request *r, struct fuzz_input *in,
                          uint32_t opcode)
{
    uint8_t *at = r->bytes + r->len;
    uint32_t size = arguments_of(opcode);

    memset(at, 0, size);
    r->len += size;
    switch (opcode) {
    case 26: /* INIT */
        put_le32(at, 7);
        put_le32(at + 4, 38);
        put_le32(at + 12, ~0U);
        break;
    case 12: /* RENAME, LINK, RENAME2 */
    case 13:
    case 45:
        put_le64(at, some_node(in));
        if (opcode == 45)
            put_le32(at + 8, (uint32_t)fuzz_take(in, 1) & 3);
        break;
    case 8: /* MKNOD, MKDIR */
    case 9:
        put_le32(at, (uint32_t)fuzz_take(in, 2));
        break;
    case 35: /* CREATE, OPEN */
    case 14:
        put_le32(at, (uint32_t)fuzz_take(in, 2));
        if (opcode == 35)
            put_le32(at + 4, (uint32_t)fuzz_take(in, 2));
        break;
    case 4: /* SETATTR */
        put_le32(at, (uint32_t)fuzz_take(in, 2));
        put_le64(at + 8, opened != 0 ? handle[0] : 0);
        put_le64(at + 16, fuzz_take(in, 1));
        put_le32(at + 68, (uint32_t)fuzz_take(in, 2));
        break;
    default:
        if (size < 8)
            break;
        put_le64(at, opened != 0 ? handle[fuzz_take(in, 1) % opened % NODES]
                                 : fuzz_take(in, 1));
        if (size >= 16)
            put_le64(at + 8, fuzz_take(in, 1));
        if (size >= 24)
            put_le32(at + 16, (uint32_t)fuzz_take(in, 2) & 0x1fff);
        break;
    }
}

/* The node or handle that an answer brings. */
static void learn(uint32_t opcode)
{
    const uint8_t *body = memory + ANSWER + 16;

    if (get_le32(memory + ANSWER) < 32 || get_le32(memory + ANSWER + 4) != 0)
        return;
    if (opcode == 1 || opcode == 8 || opcode == 9 || opcode == 6 ||
        opcode == 13 || opcode == 35)
        node[known++ % NODES] = get_le64(body);
    if (opcode == 14 || opcode == 27)
        handle[opened++ % NODES] = get_le64(body);
    if (opcode == 35)
        handle[opened++ % NODES] = get_le64(body + 128);
}

static void request(struct lull_virtio *dev, struct fuzz_input *in)
{
    static const uint8_t often[] = {1,  26, 35, 14, 15, 16, 27, 28, 44, 4,
                                    12, 45, 10, 11, 9,  6,  13, 18, 5,  3};
    unsigned what = (unsigned)fuzz_take(in, 1);
    uint32_t opcode = what < 200 ? often[what % sizeof(often)] : what - 200;
    struct request r = {.len = 40};

    put_arguments(&r, in, opcode);
    for (unsigned i = 0; i < names_of(opcode); i++)
        add_name(&r, in);
    if (opcode == 16) { /* WRITE: what it says, and mostly so much */
        uint32_t data = (uint32_t)fuzz_take(in, 1);

        put_le32(r.bytes + 56, data == 255 ? 7 : data);
        r.len += data;
    }
    put_le32(r.bytes, r.len);
    put_le32(r.bytes + 4, opcode);
    put_le64(r.bytes + 8, 7);
    put_le64(r.bytes + 16, some_node(in));
    if (fuzz_take(in, 1) == 77) /* damage */
        r.bytes[fuzz_take(in, 2) % r.len] = (uint8_t)fuzz_take(in, 1);
    memcpy(memory + REQUEST, r.bytes, r.len);
    memset(memory + ANSWER, 0, 16);
    offer(dev, in, r.len);
    learn(opcode);
}

static void step(struct lull_virtio *dev, struct fuzz_input *in)
{
    const struct lull_mmio *m = lull_virtio_mmio(dev);
    unsigned what = (unsigned)fuzz_take(in, 1);

    switch (what) {
    case 0:
        start(dev);
        break;
    case 1:
        m->read(m->dev, fuzz_take(in, 1) * 2, 4);
        break;
    case 2:
        set(dev, fuzz_take(in, 1) * 2 & ~3U, (uint32_t)fuzz_take(in, 1));
        break;
    case 3: /* anywhere, rings included */
        put_le64(memory + fuzz_take(in, 2) % (RAM_BYTES - 8), fuzz_take(in, 8));
        break;
    default:
        request(dev, in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct lull_virtio *dev;
    struct lull_share *share;
    char spec[128], error[256];

    if (top[0] == '\0')
        make_folder();
    fill_folder();
    snprintf(spec, sizeof(spec), "%s:fuzz%s", shared,
             fuzz_take(&in, 1) == 0 ? ",ro" : "");
    share = lull_share_new(spec, 32, error, sizeof(error));
    check(share != NULL, error);
    memset(memory, 0, sizeof(memory));
    dev = lull_virtio_fs_new(0, &ram, (struct lull_irq){0}, share);
    check(lull_virtio_fs_start(dev), "no thread");
    start(dev);
    while (in.left != 0)
        step(dev, &in);
    set(dev, STATUS, 0);
    check(lull_virtio_mmio(dev)->read(dev, STATUS, 4) == 0, "no reset");
    check(lull_share_stats(share).open < 32, "open without end");
    lull_virtio_free(dev);
    lull_share_free(share);
    empty_folder(shared);
    check_outside();
    return 0;
}
