/* The guests' runtime: printing, checks, exceptions, PSCI. See bare.h. */
#include "bare.h"

enum { PL011_DR = 0x09000000, PL011_FR = 0x09000018, FR_TXFF = 1 << 5 };

extern char enter_done[], leave[];
void enter(const struct entry *entry, uint64_t *rescue_sp);
void start_c(uint64_t number);
void trap_c(struct trap *frame);

__attribute__((aligned(64))) char cpus[CPUS_MAX][CPU_BYTES];
static uint32_t passed_count, failed_count;

struct cpu *this_cpu(void)
{
    return (struct cpu *)READ("tpidr_el1");
}

static struct cpu *cpu_of(uint64_t number)
{
    return (struct cpu *)cpus[number];
}

/* The compiler calls these for structures. */
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);

void *memcpy(void *to, const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int byte, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((char *)to)[i] = (char)byte;
    return to;
}

/* ---- printing ------------------------------------------------------------ */

static void put(char c)
{
    while (mmio_read32(PL011_FR) & FR_TXFF)
        ;
    mmio_write32(PL011_DR, (uint8_t)c);
}

void print(const char *text)
{
    while (*text)
        put(*text++);
}

void print_number(uint64_t value)
{
    if (value >= 10)
        print_number(value / 10);
    put((char)('0' + value % 10));
}

void print_hex(uint64_t value)
{
    unsigned shift = 60;

    print("0x");
    while (shift != 0 && value >> shift == 0)
        shift -= 4;
    for (;; shift -= 4) {
        put("0123456789abcdef"[value >> shift & 15]);
        if (shift == 0)
            break;
    }
}

/* ---- checks -------------------------------------------------------------- */

static void failed(const char *name, const char *part)
{
    failed_count++;
    print("not ok ");
    print(name);
    if (part) {
        print(", ");
        print(part);
    }
}

static bool passed(const char *name)
{
    passed_count++;
    print("ok ");
    print(name);
    print("\n");
    return true;
}

bool check(const char *name, bool condition)
{
    if (condition)
        return passed(name);
    failed(name, NULL);
    print("\n");
    return false;
}

bool part_eq(const char *name, const char *part, uint64_t got, uint64_t want)
{
    if (got == want)
        return true;
    failed(name, part);
    print(": got ");
    print_hex(got);
    print(" want ");
    print_hex(want);
    print("\n");
    return false;
}

bool check_eq(const char *name, uint64_t got, uint64_t want)
{
    return part_eq(name, NULL, got, want) && passed(name);
}

bool check_trap(const char *name, const struct trap *trap, uint64_t vector,
                uint64_t esr, uint64_t elr, uint64_t far, uint64_t spsr)
{
    bool good = part_eq(name, "vector", trap->vector, vector);

    good &= part_eq(name, "esr", trap->esr, esr);
    good &= part_eq(name, "elr", trap->elr, elr);
    good &= part_eq(name, "spsr", trap->spsr, spsr);
    if (far != NO_FAR)
        good &= part_eq(name, "far", trap->far, far);
    return good && passed(name);
}

bool returned(const struct trap *trap)
{
    return trap->esr == ESR(0x15, LEAVE_SVC);
}

bool check_returned(const char *name, const struct trap *trap)
{
    if (returned(trap))
        return passed(name);
    return part_eq(name, "esr", trap->esr, ESR(0x15, LEAVE_SVC));
}

void print_totals(void)
{
    print_number(passed_count);
    print(" passed, ");
    print_number(failed_count);
    print(" failed\n");
}

static void power_off(void)
{
    print_totals();
    hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;)
        ASM("wfi");
}

/* ---- exceptions ---------------------------------------------------------- */

static void unexpected(const struct trap *frame)
{
    failed("unexpected exception", NULL);
    print(": vCPU ");
    print_number(this_cpu()->number);
    print(" vector ");
    print_number(frame->vector);
    print(" esr ");
    print_hex(frame->esr);
    print(" elr ");
    print_hex(frame->elr);
    print(" far ");
    print_hex(frame->far);
    print(" spsr ");
    print_hex(frame->spsr);
    print("\n");
    power_off();
}

void trap_c(struct trap *frame)
{
    struct cpu *cpu = this_cpu();

    if ((frame->vector & VECTOR_KIND) == VECTOR_IRQ && cpu->irq) {
        cpu->irq(frame);
        return;
    }
    if ((frame->vector & VECTOR_KIND) == VECTOR_FIQ && cpu->fiq) {
        cpu->fiq(frame);
        return;
    }
    if ((frame->vector & VECTOR_KIND) == 0 && cpu->rescue_sp == 0 &&
        cpu->sync) {
        cpu->sync(frame);
        return;
    }
    if ((frame->vector & VECTOR_KIND) != 0 || cpu->rescue_sp == 0)
        unexpected(frame);
    cpu->trap = *frame;
    cpu->handler_pan = READ("s3_0_c4_c2_3");
    frame->x[0] = cpu->rescue_sp;
    frame->elr = address_of(enter_done);
    frame->spsr = MODE_EL1H;
    cpu->rescue_sp = 0;
}

struct trap run_entry(const struct entry *entry)
{
    struct cpu *cpu = this_cpu();

    enter(entry, &cpu->rescue_sp);
    return cpu->trap;
}

struct trap run_at(uint64_t spsr, const void *code, uint64_t x0, uint64_t x1)
{
    static uint8_t stack[256] __attribute__((aligned(16)));
    bool user = (spsr & 0xf) == 0;
    uint64_t alias = user && paging_is_on ? USER_ALIAS : 0;
    struct entry entry = {
        .pc = address_of(code) + alias,
        .spsr = spsr,
        .sp_el0 = alias ? USER_STACK_TOP : address_of(stack + sizeof(stack)),
        .lr = address_of(leave) + alias,
        .x = {x0, x1, 0, 0},
    };

    return run_entry(&entry);
}

/* ---- vCPUs --------------------------------------------------------------- */

#define SMCCC(instruction)                                                     \
    register uint64_t x0 __asm__("x0") = function;                             \
    register uint64_t x1 __asm__("x1") = a;                                    \
    register uint64_t x2 __asm__("x2") = b;                                    \
    register uint64_t x3 __asm__("x3") = c;                                    \
    __asm__ volatile(instruction                                               \
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)                  \
                     :                                                         \
                     : "memory");                                              \
    return (int64_t)x0

int64_t hvc(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
    SMCCC("hvc #0");
}

int64_t smc(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
    SMCCC("smc #0");
}

unsigned cpu_count(void)
{
    static unsigned count;

    while (count == 0 ||
           (count < CPUS_MAX && hvc(PSCI_AFFINITY_INFO, count, 0, 0) >= 0))
        count++;
    return count;
}

int64_t start_cpu(uint64_t number, void (*main)(uint64_t cpu))
{
    cpu_of(number)->main = main;
    ASM("dsb sy");
    return hvc(PSCI_CPU_ON, number, address_of(secondary_start), number);
}

void spin_until(volatile uint32_t *word, uint32_t value)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
        ASM("yield");
}

void wait_off(uint64_t number)
{
    while (hvc(PSCI_AFFINITY_INFO, number, 0, 0) != 1)
        ASM("yield");
}

void run_on(uint64_t number, void (*main)(uint64_t cpu))
{
    if (number == 0) {
        main(0);
        return;
    }
    start_cpu(number, main);
    wait_off(number);
}

void start_c(uint64_t number)
{
    struct cpu *cpu = cpu_of(number);

    cpu->number = number;
    cpu->rescue_sp = 0;
    if (number != 0) {
        if (paging_is_on)
            paging_on_here();
        cpu->main(number);
        hvc(PSCI_CPU_OFF, 0, 0, 0);
    }
    guest_main();
    power_off();
}
