/*
 * The integer benchmark: seven small kernels, no operating system, no libc.
 * For each it prints
 *
 *     int NAME ticks=T check=C
 *
 * with T in ticks of the virtual counter, and at the end the sum and the
 * counter's frequency. C depends on every result, so a wrong engine shows.
 * Under QEMU's `-icount shift=0` a nanosecond of guest time is one instruction:
 * the same program then counts its own instructions.
 *
 * Compiled with -DNATIVE it is an ordinary program for the host.
 */
#include <stdint.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#ifdef NATIVE
#include <stdio.h>
#include <time.h>

static void put_char(char c)
{
    putchar(c);
}

static uint64_t ticks(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t frequency(void)
{
    return 1000000000u;
}
#else
#define UART_DATA (*(volatile uint32_t *)0x09000000)

static void put_char(char c)
{
    UART_DATA = (uint8_t)c;
}

static uint64_t ticks(void)
{
    uint64_t value;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value)::"memory");
    return value;
}

static uint64_t frequency(void)
{
    uint64_t value;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(value));
    return value;
}
#endif

static void put_string(const char *s)
{
    while (*s)
        put_char(*s++);
}

static void put_number(uint64_t value)
{
    char digits[20];
    int n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (n)
        put_char(digits[--n]);
}

static uint32_t random_state = 1;

static uint32_t random_next(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static uint64_t sieve(void)
{
    static uint8_t composite[1 << 17];
    uint64_t primes = 0;

    for (int round = 0; round < 75; round++) {
        for (unsigned i = 0; i < COUNT(composite); i++)
            composite[i] = 0;
        for (unsigned i = 2; i < COUNT(composite); i++) {
            if (composite[i])
                continue;
            primes++;
            for (unsigned j = 2 * i; j < COUNT(composite); j += i)
                composite[j] = 1;
        }
    }
    return primes;
}

static uint64_t crc(void)
{
    static uint32_t table[256];
    static uint8_t data[65536];
    uint32_t value = ~0u;

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        table[i] = c;
    }
    for (unsigned i = 0; i < COUNT(data); i++)
        data[i] = (uint8_t)random_next();
    for (int round = 0; round < 560; round++) {
        for (unsigned i = 0; i < COUNT(data); i++)
            value = value >> 8 ^ table[(value ^ data[i]) & 255];
    }
    return ~value;
}

static uint64_t matrix(void)
{
    enum { SIDE = 64 };
    static uint32_t a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            a[i][j] = random_next();
            b[i][j] = random_next();
        }
    }
    for (int round = 0; round < 180; round++) {
        for (int i = 0; i < SIDE; i++) {
            for (int j = 0; j < SIDE; j++) {
                uint32_t sum = 0;
                for (int k = 0; k < SIDE; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
        }
        a[round % SIDE][0] = c[0][round % SIDE];
    }
    return c[17][42];
}

static void quicksort(int32_t *low, int32_t *high)
{
    while (low < high) {
        int32_t pivot = low[(high - low) / 2], *i = low, *j = high;
        while (i <= j) {
            while (*i < pivot)
                i++;
            while (*j > pivot)
                j--;
            if (i <= j) {
                int32_t kept = *i;
                *i++ = *j;
                *j-- = kept;
            }
        }
        quicksort(low, j);
        low = i;
    }
}

static uint64_t sort(void)
{
    static int32_t numbers[32768];
    uint64_t sum = 0;

    for (int round = 0; round < 32; round++) {
        for (unsigned i = 0; i < COUNT(numbers); i++)
            numbers[i] = (int32_t)random_next();
        quicksort(numbers, numbers + COUNT(numbers) - 1);
        for (unsigned i = 1; i < COUNT(numbers); i++)
            sum += numbers[i] >= numbers[i - 1];
        sum += (uint32_t)numbers[1000];
    }
    return sum;
}

__attribute__((noinline)) static uint64_t fib(unsigned n)
{
    __asm__ volatile(""); /* keep the calls: this is what it measures */
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint64_t fibonacci(void)
{
    return fib(35);
}

static uint64_t list(void)
{
    static struct node {
        struct node *next;
        uint64_t value;
    } nodes[4096];
    uint64_t sum = 0;

    for (unsigned i = 0; i < COUNT(nodes); i++) {
        nodes[i].next = &nodes[(i * 1117 + 1) % COUNT(nodes)];
        nodes[i].value = random_next();
    }
    for (int round = 0; round < 12000; round++) {
        struct node *at = nodes;
        for (unsigned i = 0; i < COUNT(nodes); i++, at = at->next)
            sum += at->value;
    }
    return sum;
}

static uint64_t op_add(uint64_t a, uint64_t b)
{
    return a + b;
}

static uint64_t op_xor(uint64_t a, uint64_t b)
{
    return a ^ b;
}

static uint64_t op_rotate(uint64_t a, uint64_t b)
{
    return a << 7 | a >> 57 | (b & 1);
}

static uint64_t op_multiply(uint64_t a, uint64_t b)
{
    return a * (b | 1);
}

static uint64_t indirect(void)
{
    static uint64_t (*volatile table[])(uint64_t, uint64_t) = {
        op_add, op_xor, op_rotate, op_multiply};
    uint64_t value = 1;

    for (uint64_t i = 0; i < 18000000; i++)
        value = table[(value ^ i) & 3](value, i);
    return value;
}

static const struct kernel {
    const char *name;
    uint64_t (*run)(void);
} kernels[] = {
    {"sieve", sieve},   {"crc", crc},   {"matrix", matrix},     {"sort", sort},
    {"fib", fibonacci}, {"list", list}, {"indirect", indirect},
};

static void print(const char *name, const char *what, uint64_t a,
                  const char *other, uint64_t b)
{
    put_string("int ");
    put_string(name);
    put_string(what);
    put_number(a);
    put_string(other);
    put_number(b);
    put_char('\n');
}

int main(void)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < COUNT(kernels); i++) {
        uint64_t start = ticks();
        uint64_t check = kernels[i].run();
        uint64_t spent = ticks() - start;
        total += spent;
        print(kernels[i].name, " ticks=", spent, " check=", check);
    }
    print("total", " ticks=", total, " hz=", frequency());
    return 0;
}
