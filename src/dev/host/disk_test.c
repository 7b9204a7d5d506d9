/*
 * A file as a disk: options, refusals, and requests that come back done, by
 * threads and by io_uring.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lull/disk_file.h"

enum { SIZE = 1 << 20, PART = 4096, MANY = 200 };

static const char *aio; /* the option that all are opened with */
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

static bool make_image(void)
{
    snprintf(path, sizeof(path), "disk_test.XXXXXX");
    image = mkstemp(path);
    return image >= 0 && ftruncate(image, SIZE) == 0;
}

static void setup(void)
{
    signal(SIGXFSZ, SIG_IGN);
    ck_assert(make_image());
    finished = 0;
    last_error = 0;
}

static void setup_threads(void)
{
    aio = ",aio=threads";
    setup();
}

static void setup_ring(void)
{
    aio = ",aio=io_uring";
    setup();
}

static void teardown(void)
{
    close(image);
    unlink(path);
}

static struct lull_disk_file *open_with(const char *options)
{
    char spec[128];

    snprintf(spec, sizeof(spec), "%s%s%s", path, aio, options);
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
    ck_assert_int_eq(run(file, LULL_DISK_FLUSH, 0, buffer, 0), 0);
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
    ck_assert_int_eq(run(file, LULL_DISK_FLUSH, 0, buffer, 0), 0);
    fstat(image, &before);
    ck_assert_int_eq(run(file, LULL_DISK_ZERO, 512, buffer, 100 * 512), 0);
    ck_assert_int_eq(pread(image, buffer, 1024, 0), 1024);
    ck_assert_uint_ne(buffer[511], 0);
    for (unsigned i = 512; i < 1024; i++)
        ck_assert_uint_eq(buffer[i], 0);
    ck_assert_int_eq(run(file, LULL_DISK_DISCARD, 0, buffer, SIZE), 0);
    fstat(image, &after);
    ck_assert_int_le(after.st_blocks, before.st_blocks);
    ck_assert_int_eq(after.st_size, SIZE);
    lull_disk_file_free(file);
}
END_TEST

/* More at once than there are threads, or places in the ring, from a cold
 * start. */
static void run_many(const struct lull_disk_file *file, enum lull_disk_op op,
                     uint8_t (*bytes)[512])
{
    static struct lull_disk_request request[MANY];
    static struct iovec vector[MANY];
    const struct lull_disk *disk = lull_disk_file_disk(file);

    finished = 0;
    for (unsigned i = 0; i < MANY; i++) {
        vector[i] = (struct iovec){bytes[i], 512};
        request[i] = (struct lull_disk_request){.op = op,
                                                .offset_bytes = 512ULL * i,
                                                .length_bytes = 512,
                                                .vector = &vector[i],
                                                .vector_count = 1,
                                                .done = done};
        if (i % 4 != 3)
            request[i].next = &request[i + 1];
    }
    for (unsigned i = 0; i < MANY; i += 4)
        disk->submit(disk->host, &request[i]);
    wait_for(MANY);
    ck_assert_int_eq(last_error, 0);
}

static void many_at_once(const char *options)
{
    static uint8_t bytes[MANY][512] __attribute__((aligned(512)));
    struct lull_disk_file *file = start_with(options);

    for (unsigned i = 0; i < MANY; i++)
        memset(bytes[i], (int)i, 512);
    run_many(file, LULL_DISK_WRITE, bytes);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_int_eq(pread(image, buffer, 512, 512L * i), 512);
        ck_assert_mem_eq(buffer, bytes[i], 512);
    }
    memset(bytes, 0xee, sizeof(bytes));
    run_many(file, LULL_DISK_READ, bytes);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_uint_eq(bytes[i][511], (uint8_t)i);
    lull_disk_file_free(file);
}

START_TEST(many_through_the_page_cache)
{
    many_at_once("");
}
END_TEST

START_TEST(many_past_the_page_cache)
{
    many_at_once(",cache=none");
}
END_TEST

/* What was just written is in the page cache. */
START_TEST(reads_that_need_no_waiting)
{
    struct lull_disk_file *file = start_with("");
    const struct lull_disk *disk = lull_disk_file_disk(file);
    struct iovec vector = {buffer, PART};
    struct lull_disk_request request = {.op = LULL_DISK_READ,
                                        .offset_bytes = PART,
                                        .length_bytes = PART,
                                        .vector = &vector,
                                        .vector_count = 1};

    fill(9);
    ck_assert_int_eq(pwrite(image, buffer, PART, PART), PART);
    memset(buffer, 0, PART);
    if (disk->read_now(disk->host, &request)) {
        ck_assert_int_eq(request.error, 0);
        for (unsigned i = 0; i < PART; i++)
            ck_assert_uint_eq(buffer[i], (uint8_t)(i * 7 + i / 256 + 9));
    }
    ck_assert_int_eq(ftruncate(image, 2 * PART - 512), 0);
    ck_assert(!disk->read_now(disk->host, &request));
    lull_disk_file_free(file);
    file = start_with(",cache=none");
    disk = lull_disk_file_disk(file);
    ck_assert(!disk->read_now(disk->host, &request));
    lull_disk_file_free(file);
}
END_TEST

/* A host that has no room: here, for this process. */
static void no_room(const char *options)
{
    struct rlimit room = {.rlim_cur = SIZE / 2, .rlim_max = RLIM_INFINITY};
    struct lull_disk_file *file = start_with(options);

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &room), 0);
    ck_assert_int_eq(run(file, LULL_DISK_WRITE, SIZE / 2, buffer, PART), EFBIG);
    /* The first half of it fits. */
    ck_assert_int_eq(
        run(file, LULL_DISK_WRITE, SIZE / 2 - PART, buffer, 2 * PART), EFBIG);
    ck_assert_int_eq(run(file, LULL_DISK_WRITE, 0, buffer, PART), 0);
    room.rlim_cur = RLIM_INFINITY;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &room), 0);
    lull_disk_file_free(file);
}

START_TEST(a_host_without_room)
{
    no_room("");
    no_room(",cache=none");
}
END_TEST

START_TEST(a_file_that_shrank)
{
    static const char *const options[] = {"", ",cache=none"};

    for (unsigned i = 0; i < 2; i++) {
        struct lull_disk_file *file = start_with(options[i]);

        ck_assert_int_eq(ftruncate(image, 512), 0);
        ck_assert_int_eq(run(file, LULL_DISK_READ, 0, buffer, PART), EIO);
        ck_assert_int_eq(run(file, LULL_DISK_READ, PART, buffer, PART), EIO);
        ck_assert_int_eq(run(file, LULL_DISK_READ, 0, buffer, 512), 0);
        lull_disk_file_free(file);
        ck_assert_int_eq(ftruncate(image, SIZE), 0);
    }
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

START_TEST(who_does_it)
{
    struct lull_disk_file *file = start_with("");
    struct lull_disk_io io = lull_disk_file_io(file);

    ck_assert_str_eq(io.how, aio + strlen(",aio="));
    ck_assert_str_eq(io.why, "--disk");
    lull_disk_file_free(file);
    aio = "";
    file = start_with("");
    io = lull_disk_file_io(file);
    if (strcmp(io.how, "threads") == 0)
        ck_assert_ptr_nonnull(strstr(io.why, "no io_uring: "));
    else
        ck_assert_str_eq(io.why, "default");
    lull_disk_file_free(file);
}
END_TEST

static void add_case(Suite *suite, const char *name, void (*setup_as)(void))
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup_as, teardown);
    tcase_add_test(tc, through_the_page_cache);
    tcase_add_test(tc, past_the_page_cache);
    tcase_add_test(tc, zeros_and_discards);
    tcase_add_test(tc, many_through_the_page_cache);
    tcase_add_test(tc, many_past_the_page_cache);
    tcase_add_test(tc, reads_that_need_no_waiting);
    tcase_add_test(tc, a_file_that_shrank);
    tcase_add_test(tc, a_host_without_room);
    tcase_add_test(tc, who_may_share);
    tcase_add_test(tc, what_is_refused);
    tcase_add_test(tc, who_does_it);
    suite_add_tcase(suite, tc);
}

static bool has_io_uring(void)
{
    struct lull_disk_file *file;

    aio = ",aio=io_uring";
    if (!make_image())
        return false;
    file = open_with("");
    teardown();
    if (file == NULL)
        printf("not tested: %s\n", error);
    lull_disk_file_free(file);
    return file != NULL;
}

int main(void)
{
    Suite *suite = suite_create("disk");
    SRunner *runner;
    int failed;

    add_case(suite, "threads", setup_threads);
    if (has_io_uring())
        add_case(suite, "io_uring", setup_ring);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
