/*
 * The virtqueue against a driver that keeps the rules, and against one that
 * breaks each of them.
 */
#include <check.h>
#include <stdlib.h>

#include "fake_driver.h"
#include "queue.h"

#define SIZE ((uint16_t)8)
#define QUEUE_GPA (RAM_GPA + 0x1000)
#define DATA (RAM_GPA + 0x10000)

static struct virtqueue queue;
static struct driver_queue driver;
static struct virtq_chain chain;

static void start(void)
{
    driver = driver_queue(SIZE, QUEUE_GPA);
    queue.size = SIZE;
    queue.desc_gpa = driver.desc;
    queue.avail_gpa = driver.avail;
    queue.used_gpa = driver.used;
    ck_assert(virtq_start(&queue, &ram));
}

static void setup(void)
{
    memset(ram_bytes, 0, sizeof(ram_bytes));
    queue = (struct virtqueue){.indirect = true};
    start();
}

/* --- a driver that keeps the rules ------------------------------------ */

START_TEST(an_empty_queue)
{
    ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_EMPTY);
    ck_assert(!virtq_should_interrupt(&queue));
}
END_TEST

START_TEST(a_chain_there_and_back)
{
    uint32_t id, len;

    put_desc(driver.desc, 3, DATA, 10, NEXT, 5);
    put_desc(driver.desc, 5, DATA + 100, 20, NEXT | WRITE, 1);
    put_desc(driver.desc, 1, DATA + 200, 30, WRITE, 0);
    make_available(&driver, 3);
    ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_CHAIN);
    ck_assert_uint_eq(chain.head, 3);
    ck_assert_uint_eq(chain.out, 1);
    ck_assert_uint_eq(chain.in, 2);
    ck_assert_ptr_eq(chain.span[0].host, at(DATA));
    ck_assert_uint_eq(chain.span[0].len, 10);
    ck_assert_ptr_eq(chain.span[2].host, at(DATA + 200));
    ck_assert_uint_eq(chain.span[2].len, 30);
    ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_EMPTY);
    virtq_push(&queue, 3, 42);
    ck_assert(take_used(&driver, &id, &len));
    ck_assert_uint_eq(id, 3);
    ck_assert_uint_eq(len, 42);
    ck_assert(virtq_should_interrupt(&queue));
    ck_assert(!virtq_should_interrupt(&queue));
}
END_TEST

START_TEST(the_indices_wrap)
{
    put_desc(driver.desc, 0, DATA, 1, 0, 0);
    for (unsigned i = 0; i < 70000; i++) {
        uint32_t id, len;

        make_available(&driver, 0);
        ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_CHAIN);
        virtq_push(&queue, 0, i);
        ck_assert(take_used(&driver, &id, &len));
        ck_assert_uint_eq(len, i);
    }
}
END_TEST

START_TEST(a_full_ring)
{
    for (uint16_t i = 0; i < SIZE; i++) {
        put_desc(driver.desc, i, DATA, 1, 0, 0);
        make_available(&driver, i);
    }
    for (uint16_t i = 0; i < SIZE; i++) {
        ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_CHAIN);
        ck_assert_uint_eq(chain.head, i);
    }
    ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_EMPTY);
}
END_TEST

START_TEST(a_chain_as_long_as_the_queue)
{
    for (uint16_t i = 0; i < SIZE; i++)
        put_desc(driver.desc, i, DATA, 1, i < SIZE - 1 ? NEXT : 0,
                 (uint16_t)(i + 1));
    make_available(&driver, 0);
    ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_CHAIN);
    ck_assert_uint_eq(chain.out, SIZE);
}
END_TEST

START_TEST(empty_buffers_are_left_out)
{
    put_desc(driver.desc, 0, DATA, 0, NEXT, 1);
    put_desc(driver.desc, 1, 0, 0, NEXT | WRITE, 2); /* address unlooked at */
    put_desc(driver.desc, 2, DATA, 1, WRITE, 0);
    make_available(&driver, 0);
    ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_CHAIN);
    ck_assert_uint_eq(chain.out, 0);
    ck_assert_uint_eq(chain.in, 1);
}
END_TEST

START_TEST(an_indirect_chain)
{
    uint64_t table = DATA + 0x1000;

    put_desc(table, 0, DATA, 5, NEXT, 2);
    put_desc(table, 2, DATA + 5, 6, WRITE, 0);
    put_desc(driver.desc, 4, table, 3 * 16, INDIRECT, 0);
    make_available(&driver, 4);
    ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_CHAIN);
    ck_assert_uint_eq(chain.head, 4);
    ck_assert_uint_eq(chain.out, 1);
    ck_assert_uint_eq(chain.in, 1);
    ck_assert_uint_eq(chain.span[1].len, 6);
}
END_TEST

START_TEST(silence_by_flag)
{
    put_desc(driver.desc, 0, DATA, 1, 0, 0);
    make_available(&driver, 0);
    make_available(&driver, 0);
    virtq_pop(&queue, &chain);
    put_le16(at(driver.avail), 1); /* VIRTQ_AVAIL_F_NO_INTERRUPT */
    virtq_push(&queue, 0, 0);
    ck_assert(!virtq_should_interrupt(&queue));
    virtq_pop(&queue, &chain);
    put_le16(at(driver.avail), 0);
    virtq_push(&queue, 0, 0);
    ck_assert(virtq_should_interrupt(&queue));
}
END_TEST

START_TEST(interrupts_by_event_index)
{
    queue.event_idx = true;
    put_desc(driver.desc, 0, DATA, 1, 0, 0);
    set_used_event(&driver, 2); /* when the third is used */
    for (unsigned i = 0; i < 5; i++) {
        make_available(&driver, 0);
        ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_CHAIN);
        virtq_push(&queue, 0, 0);
        ck_assert_int_eq(virtq_should_interrupt(&queue), i == 2);
    }
    /* several at once, the event among them */
    set_used_event(&driver, 6);
    for (unsigned i = 0; i < 3; i++) {
        make_available(&driver, 0);
        virtq_pop(&queue, &chain);
        virtq_push(&queue, 0, 0);
    }
    ck_assert(virtq_should_interrupt(&queue));
}
END_TEST

START_TEST(notifications_by_event_index)
{
    queue.event_idx = true;
    put_desc(driver.desc, 0, DATA, 1, 0, 0);
    for (unsigned i = 0; i < 3; i++)
        make_available(&driver, 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_CHAIN);
    ck_assert_uint_eq(avail_event_of(&driver), 0); /* busy: not asked yet */
    ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_EMPTY);
    ck_assert_uint_eq(avail_event_of(&driver), 3);
}
END_TEST

/* --- one that breaks them --------------------------------------------- */

static void expect_broken(void)
{
    ck_assert_int_eq(virtq_pop(&queue, &chain), VIRTQ_BROKEN);
}

START_TEST(a_head_out_of_range)
{
    make_available(&driver, SIZE);
    expect_broken();
}
END_TEST

START_TEST(more_available_than_the_ring_holds)
{
    put_desc(driver.desc, 0, DATA, 1, 0, 0);
    put_le16(at(driver.avail + 2), SIZE + 1);
    expect_broken();
}
END_TEST

START_TEST(an_index_that_went_back)
{
    put_le16(at(driver.avail + 2), 0xffff);
    expect_broken();
}
END_TEST

START_TEST(a_chain_that_bites_its_tail)
{
    put_desc(driver.desc, 0, DATA, 1, NEXT, 1);
    put_desc(driver.desc, 1, DATA, 1, NEXT, 0);
    make_available(&driver, 0);
    expect_broken();
}
END_TEST

START_TEST(a_chain_of_one_that_bites_its_tail)
{
    put_desc(driver.desc, 0, DATA, 0, NEXT, 0); /* empty, too */
    make_available(&driver, 0);
    expect_broken();
}
END_TEST

START_TEST(a_next_out_of_range)
{
    put_desc(driver.desc, 0, DATA, 1, NEXT, SIZE);
    make_available(&driver, 0);
    expect_broken();
}
END_TEST

START_TEST(to_read_after_to_write)
{
    put_desc(driver.desc, 0, DATA, 1, NEXT | WRITE, 1);
    put_desc(driver.desc, 1, DATA, 1, 0, 0);
    make_available(&driver, 0);
    expect_broken();
}
END_TEST

static const struct {
    uint64_t gpa;
    uint32_t len;
} outside[] = {
    {0, 1},
    {RAM_GPA - 1, 1},
    {RAM_GPA - 1, 2},
    {RAM_GPA + RAM_BYTES, 1},
    {RAM_GPA + RAM_BYTES - 1, 2},
    {RAM_GPA, RAM_BYTES + 1},
    {DATA, 0xffffffff},
    {0xffffffffffffffff, 1},
    {0xffffffffffffffff, 0xffffffff},
    {0xfffffffffffff000, 0x1001},
};

START_TEST(a_buffer_outside_of_memory)
{
    put_desc(driver.desc, 0, outside[_i].gpa, outside[_i].len, WRITE, 0);
    make_available(&driver, 0);
    expect_broken();
}
END_TEST

static const struct {
    uint64_t gpa;
    uint32_t len;
    uint16_t flags;
} bad_indirect[] = {
    {DATA, 0, INDIRECT},
    {DATA, 15, INDIRECT},
    {DATA, 17, INDIRECT},
    {DATA, 16, INDIRECT | NEXT},
    {RAM_GPA + RAM_BYTES, 16, INDIRECT},
    {RAM_GPA + RAM_BYTES - 16, 32, INDIRECT},
    {0xfffffffffffffff0, 16, INDIRECT},
};

START_TEST(a_bad_indirect_table)
{
    put_desc(DATA, 0, DATA, 1, 0, 0);
    put_desc(driver.desc, 0, bad_indirect[_i].gpa, bad_indirect[_i].len,
             bad_indirect[_i].flags, 1);
    make_available(&driver, 0);
    expect_broken();
}
END_TEST

START_TEST(indirect_within_indirect)
{
    put_desc(DATA, 0, DATA + 64, 16, INDIRECT, 0);
    put_desc(DATA + 64, 0, DATA, 1, 0, 0);
    put_desc(driver.desc, 0, DATA, 16, INDIRECT, 0);
    make_available(&driver, 0);
    expect_broken();
}
END_TEST

START_TEST(indirect_in_the_middle)
{
    put_desc(DATA, 0, DATA, 1, 0, 0);
    put_desc(driver.desc, 0, DATA, 1, NEXT, 1);
    put_desc(driver.desc, 1, DATA, 16, INDIRECT, 0);
    make_available(&driver, 0);
    expect_broken();
}
END_TEST

START_TEST(indirect_that_was_not_negotiated)
{
    queue.indirect = false;
    put_desc(DATA, 0, DATA, 1, 0, 0);
    put_desc(driver.desc, 0, DATA, 16, INDIRECT, 0);
    make_available(&driver, 0);
    expect_broken();
}
END_TEST

START_TEST(an_indirect_chain_that_is_too_long)
{
    for (uint16_t i = 0; i < 2 * SIZE; i++)
        put_desc(DATA, i, DATA, 1, NEXT, (uint16_t)(i + 1));
    put_desc(driver.desc, 0, DATA, 2 * SIZE * 16, INDIRECT, 0);
    make_available(&driver, 0);
    expect_broken();
}
END_TEST

static const struct {
    uint16_t size;
    uint64_t desc, avail, used;
} bad_queues[] = {
    {0, QUEUE_GPA, QUEUE_GPA + 0x1000, QUEUE_GPA + 0x2000},
    {3, QUEUE_GPA, QUEUE_GPA + 0x1000, QUEUE_GPA + 0x2000},
    {512, QUEUE_GPA, QUEUE_GPA + 0x2000, QUEUE_GPA + 0x3000},
    {8, QUEUE_GPA + 8, QUEUE_GPA + 0x1000, QUEUE_GPA + 0x2000},
    {8, QUEUE_GPA, QUEUE_GPA + 0x1001, QUEUE_GPA + 0x2000},
    {8, QUEUE_GPA, QUEUE_GPA + 0x1000, QUEUE_GPA + 0x2002},
    {8, RAM_GPA - 16, QUEUE_GPA + 0x1000, QUEUE_GPA + 0x2000},
    {8, RAM_GPA + RAM_BYTES - 64, QUEUE_GPA, QUEUE_GPA},
    {8, QUEUE_GPA, RAM_GPA + RAM_BYTES - 20, QUEUE_GPA},
    {8, QUEUE_GPA, QUEUE_GPA, RAM_GPA + RAM_BYTES - 68},
    {8, QUEUE_GPA, QUEUE_GPA, 0xfffffffffffffffc},
    {8, 0, 0, 0},
};

START_TEST(a_queue_that_cannot_be)
{
    struct virtqueue bad = {.size = bad_queues[_i].size,
                            .desc_gpa = bad_queues[_i].desc,
                            .avail_gpa = bad_queues[_i].avail,
                            .used_gpa = bad_queues[_i].used};

    ck_assert(!virtq_start(&bad, &ram));
    ck_assert_int_eq(virtq_pop(&bad, &chain), VIRTQ_EMPTY);
}
END_TEST

/*
 * Random rings: whatever they say, each span lies in memory, spans to read
 * come first, and there are no more of them than the queue is long.
 */
START_TEST(random_rings)
{
    uint64_t x = 0x2545f4914f6cdd1dULL * (uint64_t)(_i + 1);

    for (unsigned round = 0; round < 20000; round++) {
        enum virtq_result result;

        for (unsigned i = 0; i < SIZE; i++) {
            uint64_t gpa;

            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            gpa = x % 8 ? RAM_GPA + x % RAM_BYTES : x;
            put_desc(driver.desc, i, gpa & ~15ULL, (x >> 24) % 256 & ~15U,
                     (x >> 32) % 16 ? (x >> 40) % 4 : (x >> 40) % 8,
                     (x >> 48) % (SIZE + (x % 16 == 0)));
        }
        make_available(&driver, (x >> 50) % (SIZE + (x % 32 == 0)));
        result = virtq_pop(&queue, &chain);
        ck_assert_int_ne(result, VIRTQ_EMPTY);
        if (result == VIRTQ_BROKEN) {
            memset(at(driver.avail), 0, 4);
            start();
            continue;
        }
        ck_assert_uint_le(chain.out + chain.in, SIZE);
        for (unsigned i = 0; i < chain.out + chain.in; i++) {
            const struct virtq_span *span = &chain.span[i];

            ck_assert_uint_gt(span->len, 0);
            ck_assert(span->host >= ram_bytes &&
                      span->host + span->len <= ram_bytes + RAM_BYTES);
        }
        virtq_push(&queue, chain.head, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("virtqueue");
    TCase *tc = tcase_create("virtqueue");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, an_empty_queue);
    tcase_add_test(tc, a_chain_there_and_back);
    tcase_add_test(tc, the_indices_wrap);
    tcase_add_test(tc, a_full_ring);
    tcase_add_test(tc, a_chain_as_long_as_the_queue);
    tcase_add_test(tc, empty_buffers_are_left_out);
    tcase_add_test(tc, an_indirect_chain);
    tcase_add_test(tc, silence_by_flag);
    tcase_add_test(tc, interrupts_by_event_index);
    tcase_add_test(tc, notifications_by_event_index);
    tcase_add_test(tc, a_head_out_of_range);
    tcase_add_test(tc, more_available_than_the_ring_holds);
    tcase_add_test(tc, an_index_that_went_back);
    tcase_add_test(tc, a_chain_that_bites_its_tail);
    tcase_add_test(tc, a_chain_of_one_that_bites_its_tail);
    tcase_add_test(tc, a_next_out_of_range);
    tcase_add_test(tc, to_read_after_to_write);
    tcase_add_loop_test(tc, a_buffer_outside_of_memory, 0,
                        sizeof(outside) / sizeof(outside[0]));
    tcase_add_loop_test(tc, a_bad_indirect_table, 0,
                        sizeof(bad_indirect) / sizeof(bad_indirect[0]));
    tcase_add_test(tc, indirect_within_indirect);
    tcase_add_test(tc, indirect_in_the_middle);
    tcase_add_test(tc, indirect_that_was_not_negotiated);
    tcase_add_test(tc, an_indirect_chain_that_is_too_long);
    tcase_add_loop_test(tc, a_queue_that_cannot_be, 0,
                        sizeof(bad_queues) / sizeof(bad_queues[0]));
    tcase_add_loop_test(tc, random_rings, 0, 4);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
