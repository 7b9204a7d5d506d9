/*
 * What somebody who has taken the process over can do with a disk's ring:
 * reads of the image, and nothing else. The ring is found and used as such
 * a one would, by its descriptor.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lull/disk_file.h"

enum { ENTRIES = 128, FDS_MAX = 64, MAP_BYTES = 1 << 16, PART = 512 };

static char path[] = "disk_ring_test.XXXXXX", error[256];
static int image, ring_fd;
static struct lull_disk_file *file;
static struct io_uring_params layout; /* the same for rings of one size */
static uint8_t *rings;
static struct io_uring_sqe *entries;
static char buffer[PART];
static struct iovec vector = {buffer, PART};

static struct lull_disk_file *open_image(void)
{
    char spec[64];

    snprintf(spec, sizeof(spec), "%s,aio=io_uring", path);
    return lull_disk_file_new(spec, error, sizeof(error));
}

static int find_ring(void)
{
    for (int fd = 0; fd < FDS_MAX; fd++) {
        char name[32], target[64] = "";

        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        if (readlink(name, target, sizeof(target) - 1) > 0 &&
            strcmp(target, "anon_inode:[io_uring]") == 0)
            return fd;
    }
    return -1;
}

static void *map(off_t what)
{
    void *at = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                    ring_fd, what);

    if (at == MAP_FAILED) /* longer than it is */
        at =
            mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd, what);
    ck_assert_ptr_ne(at, MAP_FAILED);
    return at;
}

/* The disk's thread is not started: nobody else uses the ring. */
static void setup(void)
{
    int probe = (int)syscall(SYS_io_uring_setup, ENTRIES, &layout);

    ck_assert_int_ge(probe, 0);
    close(probe);
    file = open_image();
    ck_assert_msg(file != NULL, "%s", error);
    ring_fd = find_ring();
    ck_assert_int_ge(ring_fd, 0);
    rings = map(IORING_OFF_SQ_RING);
    entries = map(IORING_OFF_SQES);
}

static void teardown(void)
{
    lull_disk_file_free(file);
}

static uint32_t *word(uint32_t offset)
{
    return (uint32_t *)(void *)(rings + offset);
}

/* Its answer. */
static int ask(const struct io_uring_sqe *wish)
{
    uint32_t tail = *word(layout.sq_off.tail), mask = ENTRIES - 1, head;
    const struct io_uring_cqe *answers =
        (const void *)(rings + layout.cq_off.cqes);
    int result;

    entries[tail & mask] = *wish;
    word(layout.sq_off.array)[tail & mask] = tail & mask;
    __atomic_store_n(word(layout.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring_fd, 1, 1, IORING_ENTER_GETEVENTS, NULL,
                0) != 1)
        return -errno;
    head = *word(layout.cq_off.head);
    ck_assert_uint_ne(
        head, __atomic_load_n(word(layout.cq_off.tail), __ATOMIC_ACQUIRE));
    result = answers[head & *word(layout.cq_off.ring_mask)].res;
    __atomic_store_n(word(layout.cq_off.head), head + 1, __ATOMIC_RELEASE);
    return result;
}

static struct io_uring_sqe transfer(uint8_t opcode, int fd, uint8_t flags)
{
    return (struct io_uring_sqe){.opcode = opcode,
                                 .flags = flags,
                                 .fd = fd,
                                 .addr = (uintptr_t)&vector,
                                 .len = 1};
}

START_TEST(the_image)
{
    struct io_uring_sqe wish = transfer(IORING_OP_READV, 0, IOSQE_FIXED_FILE);

    ck_assert_int_eq(ask(&wish), PART);
    wish.fd = 1;
    ck_assert_int_eq(ask(&wish), -EBADF);
}
END_TEST

START_TEST(no_other_file)
{
    struct io_uring_sqe wish = transfer(IORING_OP_READV, image, 0);

    ck_assert_int_eq(ask(&wish), -EACCES);
    wish = (struct io_uring_sqe){.opcode = IORING_OP_OPENAT,
                                 .fd = AT_FDCWD,
                                 .addr = (uintptr_t) "/etc/passwd"};
    ck_assert_int_eq(ask(&wish), -EACCES);
    wish.flags = IOSQE_FIXED_FILE;
    ck_assert_int_eq(ask(&wish), -EACCES);
}
END_TEST

START_TEST(no_other_deed)
{
    for (unsigned i = 0; i < IORING_OP_LAST; i++) {
        struct io_uring_sqe wish = transfer((uint8_t)i, 0, IOSQE_FIXED_FILE);

        int answer;

        if (i == IORING_OP_READV)
            continue;
        answer = ask(&wish); /* EINVAL: this kernel does not know it */
        ck_assert_msg(answer == -EACCES || answer == -EINVAL, "%u: %d", i,
                      answer);
    }
}
END_TEST

START_TEST(no_other_rules)
{
    int fds[] = {image};

    for (unsigned what = 0; what < IORING_REGISTER_LAST; what++)
        ck_assert(syscall(SYS_io_uring_register, ring_fd, what, fds, 1) < 0);
    ck_assert_int_eq(
        syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_FILES, fds, 1),
        -1);
    ck_assert_int_eq(errno, EACCES);
}
END_TEST

/* To meson, 77 is a test that was skipped. */
static bool possible(void)
{
    image = mkstemp(path);
    if (image < 0 || ftruncate(image, 1 << 16) != 0)
        return false;
    file = open_image();
    if (file == NULL)
        printf("skipped: %s\n", error);
    lull_disk_file_free(file);
    return file != NULL;
}

int main(void)
{
    Suite *suite = suite_create("disk-ring");
    TCase *tc = tcase_create("disk-ring");
    SRunner *runner;
    int failed;

    if (!possible()) {
        unlink(path);
        return 77;
    }
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_image);
    tcase_add_test(tc, no_other_file);
    tcase_add_test(tc, no_other_deed);
    tcase_add_test(tc, no_other_rules);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    unlink(path);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
