/*
 * Computing: integers, a hash, floating point, vectors, sorting. No system
 * call is made while one of these is timed.
 */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* intmix: what compilers emit for ordinary integer code, in small doses: a
 * linear congruence, divisions, bit counting, a data-dependent branch. */
static uint64_t intmix_step(void)
{
    uint64_t a = 0x9e3779b97f4a7c15u, b = 1, c = 0;

    for (int round = 0; round < 200; round++) {
        for (int i = 1; i <= 64; i++) {
            a = a * 6364136223846793005u + 1442695040888963407u;
            b += (a >> 33) / (uint64_t)i;
            c ^= (uint64_t)__builtin_popcountll(a) << (i & 31);
            if (a & 0x10000)
                b ^= c >> 3;
            else
                c += b << 1;
        }
    }
    bench_sink = b + c;
    return 200;
}

/* SHA-256 (FIPS 180-4). Its constants are the fractional parts of the cube
 * roots of the first primes, computed once: libm is accurate enough, and the
 * self-check of prepare would say otherwise. */
static uint32_t sha_k[64], sha_h0[8];
static uint8_t sha_buffer[16384];

static uint32_t fraction(long double x)
{
    return (uint32_t)((x - floorl(x)) * 4294967296.0L);
}

static void sha_constants(void)
{
    for (int prime = 2, n = 0; n < 64; prime++) {
        int composite = 0;
        for (int d = 2; d * d <= prime; d++)
            composite |= prime % d == 0;
        if (composite)
            continue;
        if (n < 8)
            sha_h0[n] = fraction(sqrtl(prime));
        sha_k[n++] = fraction(cbrtl(prime));
    }
}

static uint32_t ror(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void sha_block(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[64], v[8];

    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
               (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (ror(x, 7) ^ ror(x, 18) ^ x >> 3) +
               (ror(y, 17) ^ ror(y, 19) ^ y >> 10);
    }
    memcpy(v, h, sizeof(v));
    for (int i = 0; i < 64; i++) {
        uint32_t e = v[4], a = v[0];
        uint32_t t = v[7] + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) +
                     ((e & v[5]) ^ (~e & v[6])) + sha_k[i] + w[i];
        uint32_t u = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) +
                     ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t;
        v[0] = t + u;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

static void sha256_prepare(void)
{
    uint8_t block[64] = {'a', 'b', 'c', 0x80, [63] = 24};
    uint32_t h[8];

    sha_constants();
    memcpy(h, sha_h0, sizeof(h));
    sha_block(h, block);
    if (h[0] != 0xba7816bf || h[7] != 0xf20015ad)
        bench_die("sha256: wrong digest");
    for (size_t i = 0; i < sizeof(sha_buffer); i++)
        sha_buffer[i] = (uint8_t)(i * 31);
}

static uint64_t sha256_step(void)
{
    uint32_t h[8];

    memcpy(h, sha_h0, sizeof(h));
    for (size_t i = 0; i < sizeof(sha_buffer); i += 64)
        sha_block(h, sha_buffer + i);
    bench_sink = h[0];
    return sizeof(sha_buffer);
}

/* nbody: five bodies under gravity, doubles, with square roots. */
enum { BODIES = 5 };
static struct body {
    double x[3], v[3], mass;
} bodies[BODIES];

static void nbody_prepare(void)
{
    for (int i = 0; i < BODIES; i++) {
        bodies[i].mass = i ? 1e-3 / i : 1;
        for (int k = 0; k < 3; k++) {
            bodies[i].x[k] = i * (k + 1) * 1.7 + 0.3 * k;
            bodies[i].v[k] = i ? 0.2 / (i + k) : 0;
        }
    }
}

static void attract(struct body *a, struct body *b, double dt)
{
    double d[3], square = 0;

    for (int k = 0; k < 3; k++) {
        d[k] = a->x[k] - b->x[k];
        square += d[k] * d[k];
    }
    double magnitude = dt / (square * sqrt(square));
    for (int k = 0; k < 3; k++) {
        a->v[k] -= d[k] * b->mass * magnitude;
        b->v[k] += d[k] * a->mass * magnitude;
    }
}

static uint64_t nbody_step(void)
{
    for (int step = 0; step < 1000; step++) {
        for (int i = 0; i < BODIES; i++) {
            for (int j = i + 1; j < BODIES; j++)
                attract(&bodies[i], &bodies[j], 1e-3);
        }
        for (int i = 0; i < BODIES; i++) {
            for (int k = 0; k < 3; k++)
                bodies[i].x[k] += 1e-3 * bodies[i].v[k];
        }
    }
    bench_sink = (uint64_t)(int64_t)(bodies[0].x[0] * 1e9);
    return 1000;
}

/* simdfloat: a += b * c over vectors of four floats; 2 operations a lane. */
typedef float float4 __attribute__((vector_size(16)));
static float4 simd_a[1024], simd_b[1024], simd_c[1024];

static void simdfloat_prepare(void)
{
    for (int i = 0; i < 1024; i++) {
        float x = (float)i;
        simd_a[i] = (float4){x, x + 1, x + 2, x + 3};
        simd_b[i] = simd_a[i] * 0.5f;
        simd_c[i] = (float4){1e-6f, -1e-6f, 2e-6f, -2e-6f};
    }
}

static uint64_t simdfloat_step(void)
{
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 1024; i++)
            simd_a[i] += simd_b[i] * simd_c[i];
    }
    bench_sink = (uint64_t)(int64_t)simd_a[7][1];
    return 20 * 1024 * 4 * 2;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t qsort_step(void)
{
    static uint32_t numbers[16384];
    uint32_t seed = 1;

    for (int i = 0; i < 16384; i++)
        numbers[i] = seed = seed * 1664525u + 1013904223u;
    qsort(numbers, 16384, sizeof(numbers[0]), compare);
    bench_sink = numbers[77];
    return 16384;
}

const struct bench cpu_benches[] = {
    {"intmix", "round/s", 1, NULL, intmix_step},
    {"sha256", "MB/s", 1e6, sha256_prepare, sha256_step},
    {"qsort", "Melem/s", 1e6, NULL, qsort_step},
    {"nbody", "kstep/s", 1e3, nbody_prepare, nbody_step},
    {"simdfloat", "Mflop/s", 1e6, simdfloat_prepare, simdfloat_step},
    {0},
};
