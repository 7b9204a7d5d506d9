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

#include "fuzz_driver.h"

enum {
    RAM_BYTES = 65536,
    TABLE_BYTES = 0x4000,
    REQUEST = 0x8000, /* behind two queues' tables */
    ANSWER = 0xc000,
    NODES = 8,
};

static uint8_t memory[RAM_BYTES] __attribute__((aligned(4096)));
static const struct lull_ram ram = {memory, 0x40000000, RAM_BYTES};
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

static void start(struct fuzz_driver *driver)
{
    fuzz_start(driver, 0);
    known = opened = 0;
}

static uint16_t used(const struct fuzz_driver *driver, unsigned queue)
{
    return __atomic_load_n(
        (const uint16_t *)(const void *)(fuzz_used(driver, queue) + 2),
        __ATOMIC_ACQUIRE);
}

/* For its answer, or the end of the device; with rings that were damaged there
 * may be neither. The device's lock then says that its thread has looked and
 * is asleep, so that memory is ours. */
static void wait_for(struct fuzz_driver *driver, unsigned queue)
{
    unsigned patience = 20000;

    while (used(driver, queue) != driver->available[queue] && --patience != 0 &&
           (fuzz_status(driver) & 0x44) == 4)
        sched_yield();
    if (patience == 0)
        start(driver);
    fuzz_status(driver);
}

/* In pieces, and mostly with room for what is to come. */
static void offer(struct fuzz_driver *driver, struct fuzz_input *in,
                  uint32_t len)
{
    unsigned shape = (unsigned)fuzz_take(in, 1);
    unsigned queue = (shape & 15) == 0 ? 0 : 1;
    uint32_t cut = shape & 16 ? 1 + (uint32_t)fuzz_take(in, 1) % 100 : 40;
    uint32_t room = shape & 32 ? (uint32_t)fuzz_take(in, 1) : 0x3000;

    cut = cut < len ? cut : len;
    fuzz_put_descriptor(driver, queue, 0, REQUEST, cut, FUZZ_NEXT, 1);
    fuzz_put_descriptor(driver, queue, 1, REQUEST + cut, len - cut,
                        room != 0 ? FUZZ_NEXT : 0, 2);
    fuzz_put_descriptor(driver, queue, 2, ANSWER, room / 2,
                        FUZZ_NEXT | FUZZ_WRITE, 3);
    fuzz_put_descriptor(driver, queue, 3, ANSWER + room / 2, room - room / 2,
                        FUZZ_WRITE, 4);
    fuzz_make_available(driver, queue, 0);
    if ((shape & 192) == 192) /* stop it in the middle */
        start(driver);
    else
        wait_for(driver, queue);
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

static void request(struct fuzz_driver *driver, struct fuzz_input *in)
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
    offer(driver, in, r.len);
    learn(opcode);
}

static void step(struct fuzz_driver *driver, struct fuzz_input *in)
{
    unsigned what = (unsigned)fuzz_take(in, 1);

    switch (what) {
    case 0:
        start(driver);
        break;
    case 1:
        fuzz_read_register(driver, in, 4);
        break;
    case 2:
        fuzz_write_register(driver, in);
        break;
    case 3:
        fuzz_write_memory(driver, in);
        break;
    default:
        request(driver, in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct fuzz_driver driver = {
        .ram = &ram, .queues = 2, .table_bytes = TABLE_BYTES};
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
    driver.dev = lull_virtio_fs_new(0, &ram, (struct lull_irq){0}, share);
    check(lull_virtio_fs_start(driver.dev), "no thread");
    start(&driver);
    while (in.left != 0)
        step(&driver, &in);
    check(fuzz_reset(&driver), "no reset");
    check(lull_share_stats(share).open < 32, "open without end");
    lull_virtio_free(driver.dev);
    lull_share_free(share);
    empty_folder(shared);
    check_outside();
    return 0;
}
