/*
 * Built inside the guest by the guest's own compilers, at several levels of
 * optimisation, with and without the atomics of ARMv8.1: all must print the
 * same, and the values that are known are checked here.
 */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1;

static uint64_t next(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 11;
}

/* CRC-32 of the nine digits is the check value every description gives. */
static uint32_t crc32(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t crc = ~0u;

    while (len--) {
        crc ^= *p++;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint32_t sorted(void)
{
    enum { COUNT = 20000 };
    static uint64_t numbers[COUNT];

    for (int i = 0; i < COUNT; i++)
        numbers[i] = next();
    qsort(numbers, COUNT, sizeof(numbers[0]), by_value);
    for (int i = 1; i < COUNT; i++)
        if (numbers[i - 1] > numbers[i])
            return 0;
    return crc32(numbers, sizeof(numbers));
}

static uint64_t primes(unsigned limit)
{
    static unsigned char composite[200001];
    uint64_t count = 0;

    for (unsigned i = 2; i <= limit; i++) {
        if (composite[i])
            continue;
        count++;
        for (unsigned k = 2 * i; k <= limit; k += i)
            composite[k] = 1;
    }
    return count;
}

/* Division by what it was multiplied by, over all widths and signs. */
static uint64_t divided(void)
{
    uint64_t wrong = 0;

    for (int i = 0; i < 100000; i++) {
        uint64_t a = next(), b = (next() >> (i % 50)) | 1;
        int64_t s = (int64_t)a - (1LL << 52), t = -(int64_t)(b >> 1 | 1);
        uint32_t c = (uint32_t)a, d = (uint32_t)b | 1;

        wrong += a / b * b + a % b != a;
        wrong += s / t * t + s % t != s;
        wrong += c / d * d + c % d != c;
    }
    return wrong;
}

static double euler(void)
{
    double e = 1, term = 1;

    for (int i = 1; i < 25; i++)
        e += term /= i;
    return e;
}

static int jumped(void)
{
    static jmp_buf back;
    static volatile int count;

    if (setjmp(back) < 1000) {
        count++;
        longjmp(back, count);
    }
    return count;
}

static int expect(const char *what, uint64_t got, uint64_t wanted)
{
    printf("%s %" PRIu64 "\n", what, got);
    if (got == wanted)
        return 0;
    fprintf(stderr, "%s: %" PRIu64 ", expected %" PRIu64 "\n", what, got,
            wanted);
    return 1;
}

int main(void)
{
    int failed = 0;
    uint64_t bits;
    double e = euler();

    memcpy(&bits, &e, 8);
    failed += expect("crc", crc32("123456789", 9), 0xcbf43926);
    failed += expect("primes", primes(200000), 17984);
    failed += expect("divided", divided(), 0);
    failed += expect("e", bits, 0x4005bf0a8b14576a);
    failed += expect("jumps", (uint64_t)jumped(), 1000);
    printf("sorted %" PRIu32 "\n", sorted());
    return failed;
}
