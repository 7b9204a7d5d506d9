/*
 * The bridge from the fast paths to softfloat.
 */
#include "fp_internal.h"

struct sf_env fp_env(const struct a64_cpu *cpu)
{
    return (struct sf_env){
        .mode = cpu->fpcr >> 22 & 3,
        .fz = cpu->fpcr >> 24 & 1,
        .dn = cpu->fpcr >> 25 & 1,
        .ahp = cpu->fpcr >> 26 & 1,
    };
}

double fp_slow1_f64(struct a64_cpu *cpu, sf_op1 *op, double a)
{
    struct sf_env env = fp_env(cpu);
    uint64_t r = op(&env, SF_DOUBLE, bits_of_f64(a));

    cpu->fpsr |= env.flags;
    return f64_of_bits(r);
}

float fp_slow1_f32(struct a64_cpu *cpu, sf_op1 *op, float a)
{
    struct sf_env env = fp_env(cpu);
    uint64_t r = op(&env, SF_SINGLE, bits_of_f32(a));

    cpu->fpsr |= env.flags;
    return f32_of_bits((uint32_t)r);
}

double fp_slow2_f64(struct a64_cpu *cpu, sf_op2 *op, double a, double b)
{
    struct sf_env env = fp_env(cpu);
    uint64_t r = op(&env, SF_DOUBLE, bits_of_f64(a), bits_of_f64(b));

    cpu->fpsr |= env.flags;
    return f64_of_bits(r);
}

float fp_slow2_f32(struct a64_cpu *cpu, sf_op2 *op, float a, float b)
{
    struct sf_env env = fp_env(cpu);
    uint64_t r = op(&env, SF_SINGLE, bits_of_f32(a), bits_of_f32(b));

    cpu->fpsr |= env.flags;
    return f32_of_bits((uint32_t)r);
}

double fp_slow_muladd_f64(struct a64_cpu *cpu, double a, double n, double m)
{
    struct sf_env env = fp_env(cpu);
    uint64_t r = sf_muladd(&env, SF_DOUBLE, bits_of_f64(a), bits_of_f64(n),
                           bits_of_f64(m));

    cpu->fpsr |= env.flags;
    return f64_of_bits(r);
}

float fp_slow_muladd_f32(struct a64_cpu *cpu, float a, float n, float m)
{
    struct sf_env env = fp_env(cpu);
    uint64_t r = sf_muladd(&env, SF_SINGLE, bits_of_f32(a), bits_of_f32(n),
                           bits_of_f32(m));

    cpu->fpsr |= env.flags;
    return f32_of_bits((uint32_t)r);
}
