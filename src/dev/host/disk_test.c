/*
 * A file as a disk: options, refusals, and requests that come back done.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lull/disk_file.h"

enum { SIZE = 1 << 20, PART = 4096, MANY = 200 };

static char path[64], error[256];
static int image;
static uint8_t buffer[4 * PART] __attribute__((aligned(4096)));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned finished;
static int last_error;

static void done(struct lull_disk_request *list)
{
    pthread_mutex_lock(&lock);
    for (; list != NULL; list = list->next) {
        finished++;
        if (list->error != 0)
            last_error = list->error;
    }
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void setup(void)
{
    snprintf(path, sizeof(path), "disk_test.XXXXXX");
    image = mkstemp(path);
    ck_assert_int_ge(image, 0);
    ck_assert_int_eq(ftruncate(image, SIZE), 0);
    finished = 0;
    last_error = 0;
}

static void teardown(void)
{
    close(image);
    unlink(path);
}

static struct lull_disk_file *open_with(const char *options)
{
    char spec[128];

    snprintf(spec, sizeof(spec), "%s%s", path, options);
    error[0] = '\0';
    return lull_disk_file_new(spec, error, sizeof(error));
}

static struct lull_disk_file *start_with(const char *options)
{
    struct lull_disk_file *file = open_with(options);

    ck_assert(file != NULL && lull_disk_file_start(file));
    return file;
}

static void submit(const struct lull_disk_file *file,
                   struct lull_disk_request *request)
{
    const struct lull_disk *disk = lull_disk_file_disk(file);

    request->done = done;
    request->next = NULL;
    disk->submit(disk->host, request);
}

static void wait_for(unsigned count)
{
    pthread_mutex_lock(&lock);
    while (finished < count)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* One request, from start to end; its error. */
static int run(const struct lull_disk_file *file, enum lull_disk_op op,
               uint64_t offset, void *bytes, size_t len)
{
    struct iovec vector[2] = {{bytes, len / 2},
                              {(uint8_t *)bytes + len / 2, len - len / 2}};
    struct lull_disk_request request = {.op = op,
                                        .offset_bytes = offset,
                                        .length_bytes = len,
                                        .vector = vector,
                                        .vector_count = 2};

    finished = 0;
    last_error = 0;
    submit(file, &request);
    wait_for(1);
    return last_error;
}

static void fill(uint8_t seed)
{
    for (size_t i = 0; i < sizeof(buffer); i++)
        buffer[i] = (uint8_t)(i * 7 + i / 256 + seed);
}

static void back_and_forth(const char *options)
{
    struct lull_disk_file *file = start_with(options);
    uint8_t expected[sizeof(buffer)];

    ck_assert_msg(file != NULL, "%s", error);
    for (unsigned shift = 0; shift <= 512; shift += 512) {
        fill((uint8_t)shift);
        memcpy(expected, buffer, sizeof(buffer));
        ck_assert_int_eq(
            run(file, LULL_DISK_WRITE, shift, buffer + shift, 2 * PART), 0);
        memset(buffer, 0, sizeof(buffer));
        /* To an odd address: never past the page cache. */
        ck_assert_int_eq(run(file, LULL_DISK_READ, shift, buffer + 1, 2 * PART),
                         0);
        ck_assert_mem_eq(buffer + 1, expected + shift, 2 * PART);
        ck_assert_int_eq(pread(image, buffer, 2 * PART, shift), 2 * PART);
        ck_assert_mem_eq(buffer, expected + shift, 2 * PART);
    }
    ck_assert_int_eq(run(file, LULL_DISK_FLUSH, 0, NULL, 0), 0);
    lull_disk_file_free(file);
}

START_TEST(through_the_page_cache)
{
    back_and_forth("");
    back_and_forth(",cache=writeback");
}
END_TEST

START_TEST(past_the_page_cache)
{
    back_and_forth(",cache=none");
}
END_TEST

START_TEST(zeros_and_discards)
{
    struct lull_disk_file *file = start_with("");
    struct stat before, after;

    fill(3);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(
            run(file, LULL_DISK_WRITE, i * sizeof(buffer), buffer, 4 * PART),
            0);
    ck_assert_int_eq(run(file, LULL_DISK_FLUSH, 0, NULL, 0), 0);
    fstat(image, &before);
    ck_assert_int_eq(run(file, LULL_DISK_ZERO, 512, NULL, 100 * 512), 0);
    ck_assert_int_eq(pread(image, buffer, 1024, 0), 1024);
    ck_assert_uint_ne(buffer[511], 0);
    for (unsigned i = 512; i < 1024; i++)
        ck_assert_uint_eq(buffer[i], 0);
    ck_assert_int_eq(run(file, LULL_DISK_DISCARD, 0, NULL, SIZE), 0);
    fstat(image, &after);
    ck_assert_int_le(after.st_blocks, before.st_blocks);
    ck_assert_int_eq(after.st_size, SIZE);
    lull_disk_file_free(file);
}
END_TEST

/* More at once than there are threads, from a cold start. */
START_TEST(many_at_once)
{
    static struct lull_disk_request request[MANY];
    static struct iovec vector[MANY];
    static uint8_t bytes[MANY][512];
    struct lull_disk_file *file = start_with("");

    for (unsigned i = 0; i < MANY; i++) {
        memset(bytes[i], (int)i, 512);
        vector[i] = (struct iovec){bytes[i], 512};
        request[i] = (struct lull_disk_request){.op = LULL_DISK_WRITE,
                                                .offset_bytes = 512ULL * i,
                                                .length_bytes = 512,
                                                .vector = &vector[i],
                                                .vector_count = 1};
        submit(file, &request[i]);
    }
    wait_for(MANY);
    ck_assert_int_eq(last_error, 0);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_int_eq(pread(image, buffer, 512, 512L * i), 512);
        ck_assert_mem_eq(buffer, bytes[i], 512);
    }
    lull_disk_file_free(file);
}
END_TEST

START_TEST(a_file_that_shrank)
{
    struct lull_disk_file *file = start_with("");

    ck_assert_int_eq(ftruncate(image, 512), 0);
    ck_assert_int_eq(run(file, LULL_DISK_READ, 0, buffer, PART), EIO);
    ck_assert_int_eq(run(file, LULL_DISK_READ, 0, buffer, 512), 0);
    lull_disk_file_free(file);
}
END_TEST

START_TEST(who_may_share)
{
    struct lull_disk_file *writer = open_with(""), *reader;

    ck_assert_ptr_nonnull(writer);
    ck_assert(!lull_disk_file_disk(writer)->read_only);
    ck_assert_uint_eq(lull_disk_file_disk(writer)->size_bytes, SIZE);
    ck_assert_ptr_null(open_with(""));
    ck_assert_ptr_nonnull(strstr(error, "in use"));
    ck_assert_ptr_null(open_with(",ro"));
    lull_disk_file_free(writer);
    reader = open_with(",cache=none,ro");
    ck_assert_ptr_nonnull(reader);
    ck_assert(lull_disk_file_disk(reader)->read_only);
    writer = open_with(",ro");
    ck_assert_ptr_nonnull(writer);
    ck_assert_int_eq(run(reader, LULL_DISK_WRITE, 0, buffer, 512), EBADF);
    lull_disk_file_free(writer);
    lull_disk_file_free(reader);
}
END_TEST

START_TEST(what_is_refused)
{
    ck_assert_ptr_null(open_with(",r0"));
    ck_assert_ptr_nonnull(strstr(error, ",r0: No such file"));
    ck_assert_ptr_null(lull_disk_file_new("/dev/null", error, sizeof(error)));
    ck_assert_ptr_nonnull(strstr(error, "block device"));
    ck_assert_int_eq(ftruncate(image, 1000), 0);
    ck_assert_ptr_null(open_with(""));
    ck_assert_ptr_nonnull(strstr(error, "sectors"));
    ck_assert_int_eq(ftruncate(image, 0), 0);
    ck_assert_ptr_null(open_with(""));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("disk");
    TCase *tc = tcase_create("disk");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, through_the_page_cache);
    tcase_add_test(tc, past_the_page_cache);
    tcase_add_test(tc, zeros_and_discards);
    tcase_add_test(tc, many_at_once);
    tcase_add_test(tc, a_file_that_shrank);
    tcase_add_test(tc, who_may_share);
    tcase_add_test(tc, what_is_refused);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
