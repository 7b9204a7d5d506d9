/*
 * The balloon from the driver's side: what goes back to the host, and what a
 * driver cannot make it give.
 */
#include <stdlib.h>

#include "fake_transport.h"

enum { INFLATE = 0, DEFLATE = 1, REPORTING = 2, QUEUES = 3 };

#define REPORTS (1ULL << 5)
#define PAGE 4096ULL

/* What was given, in order. */
static struct given {
    uint64_t gpa, bytes;
} given[64];
static unsigned gifts;

static void give(void *opaque, void *host, uint64_t bytes)
{
    ck_assert_ptr_eq(opaque, &gifts);
    ck_assert_uint_lt(gifts, 64);
    given[gifts++] = (struct given){
        RAM_GPA + (uint64_t)((uint8_t *)host - ram_bytes), bytes};
}

static void setup(void)
{
    struct lull_memory_host memory = {give, &gifts};

    gifts = 0;
    line = (struct fake_line){0};
    dev = lull_virtio_balloon_new(31, &ram, fake_irq(&line), &memory);
    ck_assert_ptr_nonnull(dev);
    start_device(ALL_FEATURES | REPORTS, QUEUES);
}

static void teardown(void)
{
    lull_virtio_free(dev);
}

/* Page numbers into the buffer of descriptor 0. */
static void send_numbers(unsigned n, const uint32_t *numbers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put_le32(at(DATA + 4ULL * i), numbers[i]);
    offer(n, 0, DATA, 4 * count, 0);
    set(QUEUE_NOTIFY, n);
}

static uint32_t number_of(uint64_t gpa)
{
    return (uint32_t)(gpa / PAGE);
}

START_TEST(pages_that_follow_each_other_go_together)
{
    uint32_t first = number_of(RAM_GPA);
    uint32_t numbers[] = {first + 8, first + 9, first + 10, first + 3,
                          first + 2};
    uint32_t id, len;

    send_numbers(INFLATE, numbers, sizeof(numbers) / sizeof(*numbers));
    ck_assert_uint_eq(gifts, 3);
    ck_assert_uint_eq(given[0].gpa, RAM_GPA + 8 * PAGE);
    ck_assert_uint_eq(given[0].bytes, 3 * PAGE);
    ck_assert_uint_eq(given[1].gpa, RAM_GPA + 3 * PAGE);
    ck_assert_uint_eq(given[2].gpa, RAM_GPA + 2 * PAGE);
    ck_assert_uint_eq(given[2].bytes, PAGE);
    ck_assert(take_used(&queue[INFLATE], &id, &len) && len == 0);
    ck_assert_uint_eq(lull_virtio_balloon_stats(dev).inflated_bytes, 5 * PAGE);
}
END_TEST

START_TEST(deflating_gives_nothing)
{
    uint32_t number = number_of(RAM_GPA);
    uint32_t id, len;

    send_numbers(DEFLATE, &number, 1);
    ck_assert_uint_eq(gifts, 0);
    ck_assert(take_used(&queue[DEFLATE], &id, &len));
}
END_TEST

static void refused(const uint32_t *numbers, unsigned count)
{
    send_numbers(INFLATE, numbers, count);
    ck_assert_uint_eq(get(STATUS) & NEEDS_RESET, NEEDS_RESET);
    ck_assert_uint_eq(lull_virtio_stats(dev).broken, 1);
}

START_TEST(a_page_that_is_no_memory)
{
    static const uint32_t numbers[] = {0, 0xffffffff};

    refused(&numbers[_i], 1);
    ck_assert_uint_eq(gifts, 0);
}
END_TEST

START_TEST(a_run_that_leaves_memory)
{
    uint32_t last = number_of(RAM_GPA + RAM_BYTES) - 1;
    uint32_t numbers[] = {last, last + 1};

    refused(numbers, 2);
    ck_assert_uint_eq(gifts, 0);
}
END_TEST

START_TEST(half_a_number)
{
    offer(INFLATE, 0, DATA, 6, 0);
    set(QUEUE_NOTIFY, INFLATE);
    ck_assert_uint_eq(get(STATUS) & NEEDS_RESET, NEEDS_RESET);
}
END_TEST

START_TEST(more_numbers_than_anybody_sends)
{
    offer(INFLATE, 0, RAM_GPA + 0x80000, 4 * ((1 << 16) + 1), 0);
    set(QUEUE_NOTIFY, INFLATE);
    ck_assert_uint_eq(get(STATUS) & NEEDS_RESET, NEEDS_RESET);
    ck_assert_uint_eq(gifts, 0);
}
END_TEST

START_TEST(reported_pages_go_as_they_are)
{
    offer(REPORTING, 0, RAM_GPA + 0x80000, 0x20000, WRITE);
    set(QUEUE_NOTIFY, REPORTING);
    ck_assert_uint_eq(gifts, 1);
    ck_assert_uint_eq(given[0].gpa, RAM_GPA + 0x80000);
    ck_assert_uint_eq(given[0].bytes, 0x20000);
    ck_assert_uint_eq(lull_virtio_balloon_stats(dev).reported_bytes, 0x20000);
}
END_TEST

START_TEST(the_target_is_announced)
{
    uint32_t generation = get(0x0fc);
    struct lull_balloon_stats stats;

    lull_virtio_balloon_set(dev, 5 * PAGE + 1);
    ck_assert_uint_eq(get(INTERRUPT_STATUS), 2);
    ck_assert(line.level);
    ck_assert_uint_ne(get(0x0fc), generation);
    ck_assert_uint_eq(get(CONFIG), 5);
    set(CONFIG + 4, 3);
    ck_assert_uint_eq(get(CONFIG + 4), 3);
    ck_assert_uint_eq(get(CONFIG + 8), 0);
    set(CONFIG, 77); /* not the driver's to write */
    stats = lull_virtio_balloon_stats(dev);
    ck_assert(stats.driver);
    ck_assert_uint_eq(stats.target_bytes, 5 * PAGE);
    ck_assert_uint_eq(stats.actual_bytes, 3 * PAGE);
    set(STATUS, 0);
    stats = lull_virtio_balloon_stats(dev);
    ck_assert(!stats.driver && stats.actual_bytes == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("balloon");
    TCase *tcase = tcase_create("balloon");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, pages_that_follow_each_other_go_together);
    tcase_add_test(tcase, deflating_gives_nothing);
    tcase_add_loop_test(tcase, a_page_that_is_no_memory, 0, 2);
    tcase_add_test(tcase, a_run_that_leaves_memory);
    tcase_add_test(tcase, half_a_number);
    tcase_add_test(tcase, more_numbers_than_anybody_sends);
    tcase_add_test(tcase, reported_pages_go_as_they_are);
    tcase_add_test(tcase, the_target_is_announced);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
