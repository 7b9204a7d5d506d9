/*
 * The bus: what is found, what is refused.
 */
#include "bus.h"

#include "test_main.h"

static const struct lull_mmio low = {
    .name = "low", .gpa = 0x1000, .size_bytes = 0x1000};
static const struct lull_mmio middle = {
    .name = "middle", .gpa = 0x2000, .size_bytes = 0x10};
static const struct lull_mmio high = {
    .name = "high", .gpa = 0xfffffffffffff000ULL, .size_bytes = 0x1000};

static void add_all(struct bus *bus)
{
    ck_assert(bus_add(bus, &high));
    ck_assert(bus_add(bus, &low));
    ck_assert(bus_add(bus, &middle));
}

START_TEST(finds_each_window_to_its_edges)
{
    struct bus bus = {0};

    ck_assert_ptr_null(bus_find(&bus, 0x1000, 4));
    add_all(&bus);
    ck_assert_ptr_null(bus_find(&bus, 0, 1));
    ck_assert_ptr_null(bus_find(&bus, 0xfff, 1));
    ck_assert_ptr_eq(bus_find(&bus, 0x1000, 8), &low);
    ck_assert_ptr_eq(bus_find(&bus, 0x1fff, 1), &low);
    ck_assert_ptr_eq(bus_find(&bus, 0x2000, 4), &middle);
    ck_assert_ptr_eq(bus_find(&bus, 0x200c, 4), &middle);
    ck_assert_ptr_null(bus_find(&bus, 0x2010, 1));
    ck_assert_ptr_eq(bus_find(&bus, 0xfffffffffffff000ULL, 8), &high);
    ck_assert_ptr_eq(bus_find(&bus, UINT64_MAX, 1), &high);
}
END_TEST

START_TEST(an_access_across_an_edge_is_nobodys)
{
    struct bus bus = {0};

    add_all(&bus);
    ck_assert_ptr_null(bus_find(&bus, 0xffc, 8));
    ck_assert_ptr_null(bus_find(&bus, 0x1ffc, 8));
    ck_assert_ptr_null(bus_find(&bus, 0x200d, 4));
    ck_assert_ptr_null(bus_find(&bus, UINT64_MAX, 2));
}
END_TEST

START_TEST(refuses_overlap_emptiness_and_wrap)
{
    static const struct lull_mmio bad[] = {
        {.name = "empty", .gpa = 0x8000, .size_bytes = 0},
        {.name = "same", .gpa = 0x1000, .size_bytes = 0x1000},
        {.name = "tail", .gpa = 0x1fff, .size_bytes = 1},
        {.name = "head", .gpa = 0x800, .size_bytes = 0x801},
        {.name = "around", .gpa = 0x0, .size_bytes = 0x3000},
        {.name = "wraps", .gpa = 0xffffffffffffff00ULL, .size_bytes = 0x101},
    };
    struct bus bus = {0};
    size_t i;

    add_all(&bus);
    for (i = 0; i < COUNT_OF(bad); i++) {
        ck_assert_msg(!bus_add(&bus, &bad[i]), "%s", bad[i].name);
        ck_assert_uint_eq(bus.count, 3);
    }
}
END_TEST

START_TEST(holds_its_fill_and_finds_every_one)
{
    struct lull_mmio windows[BUS_WINDOWS_MAX + 1];
    struct bus bus = {0};
    unsigned i;

    /* Added in an order that is neither up nor down. */
    for (i = 0; i <= BUS_WINDOWS_MAX; i++)
        windows[i] = (struct lull_mmio){.gpa = ((uint64_t)i * 37 % 67) * 0x1000,
                                        .size_bytes = 0x800};
    for (i = 0; i < BUS_WINDOWS_MAX; i++)
        ck_assert(bus_add(&bus, &windows[i]));
    ck_assert(!bus_add(&bus, &windows[BUS_WINDOWS_MAX]));
    for (i = 0; i < BUS_WINDOWS_MAX; i++) {
        ck_assert_ptr_eq(bus_find(&bus, windows[i].gpa + 0x7ff, 1),
                         &windows[i]);
        ck_assert_ptr_null(bus_find(&bus, windows[i].gpa + 0x800, 1));
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        finds_each_window_to_its_edges,
        an_access_across_an_edge_is_nobodys,
        refuses_overlap_emptiness_and_wrap,
        holds_its_fill_and_finds_every_one,
    };

    return test_main("bus", tests, COUNT_OF(tests));
}
