/*
 * The interpreter: runs decoded operations by computed goto.
 *
 * One handler per operation, each ending in a jump to the next one's handler.
 * `op` is the program counter; straight code and branches within a page move
 * it and nothing else. Leaving the page, an exception or an exit goes through
 * `redirect`, which finds the operations for cpu->pc.
 *
 * Time slice: `budget` counts taken branches down. At zero the loop looks at
 * requests, the timer and the interrupt lines (a64_poll), so that nothing in
 * a handler has to.
 *
 * Guest memory is read and written in place, by the fast path that cpu.h
 * describes; whatever does not hit goes to tlb.c, which may raise an exception
 * or ask for the VMM. Accesses are volatile so that each is one host access:
 * other vCPUs see the same memory.
 */
#include "native/native.h"

#include <string.h>

const void *const *a64_handlers;

/* The whole file is guest-controlled data races by design: other vCPUs write
 * the memory this one reads, as on hardware. */
#ifdef __clang__
/* And clang needs more than seven minutes for the loop under UBSan, gcc one. */
#define NO_TSAN __attribute__((no_sanitize("thread", "undefined")))
#else
#define NO_TSAN __attribute__((no_sanitize("thread")))
#endif

typedef volatile uint8_t mem8;
typedef volatile uint16_t mem16 __attribute__((aligned(1), may_alias));
typedef volatile uint32_t mem32 __attribute__((aligned(1), may_alias));
typedef volatile uint64_t mem64 __attribute__((aligned(1), may_alias));

static inline uint64_t extend(uint64_t x, unsigned option)
{
    switch (option) {
    case 0:
        return (uint8_t)x;
    case 1:
        return (uint16_t)x;
    case 2:
        return (uint32_t)x;
    case 4:
        return (uint64_t)(int8_t)x;
    case 5:
        return (uint64_t)(int16_t)x;
    case 6:
        return (uint64_t)(int32_t)x;
    default:
        return x;
    }
}

static inline bool cond_holds(const struct a64_cpu *cpu, unsigned cond)
{
    bool n = cpu->fn >> 63, z = cpu->fz == 0, c = cpu->fc, v = cpu->fv;
    bool yes;

    switch (cond >> 1) {
    case 0:
        yes = z;
        break;
    case 1:
        yes = c;
        break;
    case 2:
        yes = n;
        break;
    case 3:
        yes = v;
        break;
    case 4:
        yes = c && !z;
        break;
    case 5:
        yes = n == v;
        break;
    case 6:
        yes = n == v && !z;
        break;
    default:
        return true;
    }
    return yes != (cond & 1);
}

/* Flag setters, [shared/functions/integer/AddWithCarry]. A 32-bit result is
 * kept in the upper half, so that N is bit 63 for both widths. */
static inline uint64_t adds64(struct a64_cpu *cpu, uint64_t a, uint64_t b)
{
    uint64_t r;

    cpu->fc = __builtin_add_overflow(a, b, &r);
    cpu->fv = ((a ^ r) & (b ^ r)) >> 63;
    cpu->fn = cpu->fz = r;
    return r;
}

static inline uint64_t subs64(struct a64_cpu *cpu, uint64_t a, uint64_t b)
{
    uint64_t r = a - b;

    cpu->fc = a >= b;
    cpu->fv = ((a ^ b) & (a ^ r)) >> 63;
    cpu->fn = cpu->fz = r;
    return r;
}

static inline uint32_t adds32(struct a64_cpu *cpu, uint32_t a, uint32_t b)
{
    uint32_t r;

    cpu->fc = __builtin_add_overflow(a, b, &r);
    cpu->fv = ((a ^ r) & (b ^ r)) >> 31;
    cpu->fn = cpu->fz = (uint64_t)r << 32;
    return r;
}

static inline uint32_t subs32(struct a64_cpu *cpu, uint32_t a, uint32_t b)
{
    uint32_t r = a - b;

    cpu->fc = a >= b;
    cpu->fv = ((a ^ b) & (a ^ r)) >> 31;
    cpu->fn = cpu->fz = (uint64_t)r << 32;
    return r;
}

static inline uint64_t adcs64(struct a64_cpu *cpu, uint64_t a, uint64_t b)
{
    uint64_t r;
    bool c = __builtin_add_overflow(a, b, &r);

    c |= __builtin_add_overflow(r, (uint64_t)cpu->fc, &r);
    cpu->fv = ((a ^ r) & (b ^ r)) >> 63;
    cpu->fc = c;
    cpu->fn = cpu->fz = r;
    return r;
}

static inline uint32_t adcs32(struct a64_cpu *cpu, uint32_t a, uint32_t b)
{
    uint32_t r;
    bool c = __builtin_add_overflow(a, b, &r);

    c |= __builtin_add_overflow(r, (uint32_t)cpu->fc, &r);
    cpu->fv = ((a ^ r) & (b ^ r)) >> 31;
    cpu->fc = c;
    cpu->fn = cpu->fz = (uint64_t)r << 32;
    return r;
}

static inline uint64_t logic64(struct a64_cpu *cpu, uint64_t r)
{
    cpu->fc = cpu->fv = 0;
    cpu->fn = cpu->fz = r;
    return r;
}

static inline uint32_t logic32(struct a64_cpu *cpu, uint32_t r)
{
    cpu->fc = cpu->fv = 0;
    cpu->fn = cpu->fz = (uint64_t)r << 32;
    return r;
}

static inline uint64_t ror64(uint64_t x, unsigned n)
{
    return x >> (n & 63) | x << (-n & 63);
}

static inline uint32_t ror32(uint32_t x, unsigned n)
{
    return x >> (n & 31) | x << (-n & 31);
}

static inline uint64_t rbit64(uint64_t x)
{
    x = (x >> 1 & 0x5555555555555555) | (x & 0x5555555555555555) << 1;
    x = (x >> 2 & 0x3333333333333333) | (x & 0x3333333333333333) << 2;
    x = (x >> 4 & 0x0f0f0f0f0f0f0f0f) | (x & 0x0f0f0f0f0f0f0f0f) << 4;
    return __builtin_bswap64(x);
}

static inline uint64_t rev16(uint64_t x)
{
    return (x >> 8 & 0x00ff00ff00ff00ff) | (x & 0x00ff00ff00ff00ff) << 8;
}

/* Division by zero is 0, and the one overflow gives the dividend. */
static inline int64_t sdiv64(int64_t a, int64_t b)
{
    return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static inline int32_t sdiv32(int32_t a, int32_t b)
{
    return b == 0 ? 0 : b == -1 ? (int32_t)(0 - (uint32_t)a) : a / b;
}

/* Leading bits equal to the sign bit, after it. */
static inline unsigned cls64(uint64_t x)
{
    x ^= (uint64_t)((int64_t)x >> 63);
    return x == 0 ? 63 : (unsigned)__builtin_clzll(x) - 1;
}

static inline unsigned cls32(uint32_t x)
{
    x ^= (uint32_t)((int32_t)x >> 31);
    return x == 0 ? 31 : (unsigned)__builtin_clz(x) - 1;
}

static inline uint64_t op_pc(const struct a64_cpu *cpu, const struct a64_op *op)
{
    return cpu->page_va +
           (uint64_t)(((const char *)op - (const char *)cpu->page_ops) >> 2);
}

/* ---- macros of the loop ---- */

#define X(i) (cpu->x[i])
#define W(i) ((uint32_t)cpu->x[i])
#define HANDLER(op) __atomic_load_n(&(op)->handler, __ATOMIC_ACQUIRE)
#define DISPATCH goto *HANDLER(op)
#define NEXT                                                                   \
    do {                                                                       \
        op++;                                                                  \
        DISPATCH;                                                              \
    } while (0)
#define PC() op_pc(cpu, op)
#define L(name) h_##name

/* A branch was taken, `op` is its target. */
#define TAKEN                                                                  \
    do {                                                                       \
        if (LULL_UNLIKELY(--budget <= 0))                                      \
            goto poll;                                                         \
        DISPATCH;                                                              \
    } while (0)
#define GOTO_PC(target)                                                        \
    do {                                                                       \
        cpu->pc = (target);                                                    \
        goto jump;                                                             \
    } while (0)
#define BRANCH_NEAR(taken)                                                     \
    do {                                                                       \
        if (taken) {                                                           \
            op += op->imm;                                                     \
            TAKEN;                                                             \
        }                                                                      \
        NEXT;                                                                  \
    } while (0)
#define BRANCH_FAR(taken)                                                      \
    do {                                                                       \
        if (taken)                                                             \
            GOTO_PC(PC() + (uint64_t)(int64_t)op->imm);                        \
        NEXT;                                                                  \
    } while (0)

/* Call something that may redirect, exit or ask for a look (a64_look). */
#define CALL(expr)                                                             \
    do {                                                                       \
        cpu->pc = PC();                                                        \
        cpu->poll_left = (uint32_t)budget;                                     \
        next = (expr);                                                         \
        budget = (int)cpu->poll_left;                                          \
    } while (0)
#define SLOW(expr)                                                             \
    do {                                                                       \
        CALL(expr);                                                            \
        if (LULL_UNLIKELY(next != A64_NEXT))                                   \
            goto redirected;                                                   \
    } while (0)

#define TLB_ENTRY(va) (&cpu->tlb[((va) >> 12) & (A64_TLB_SIZE - 1)])
#define TLB_TAG(va, size, ctx)                                                 \
    ((((va) + (size)-1) & ~0xfffULL) | (ctx)[(va) >> 63])
#define SP_FLAG (op->rn == A64_SP ? A64_MEM_SP : 0u)

#define LOAD_AS(bits, va, var, ctx, flags)                                     \
    do {                                                                       \
        const struct a64_tlb_entry *e = TLB_ENTRY(va);                         \
        if (LULL_LIKELY(TLB_TAG(va, bits / 8, ctx) == e->rtag)) {              \
            var = *(mem##bits *)(uintptr_t)((va) + e->addend);                 \
        } else {                                                               \
            buf.u##bits[0] = 0;                                                \
            SLOW(a64_load(cpu, va, bits / 8, &buf, flags));                    \
            var = buf.u##bits[0];                                              \
        }                                                                      \
    } while (0)
#define STORE_AS(bits, va, value, ctx, flags)                                  \
    do {                                                                       \
        const struct a64_tlb_entry *e = TLB_ENTRY(va);                         \
        if (LULL_LIKELY(TLB_TAG(va, bits / 8, ctx) == e->wtag)) {              \
            *(mem##bits *)(uintptr_t)((va) + e->addend) =                      \
                (uint##bits##_t)(value);                                       \
        } else {                                                               \
            buf.u##bits[0] = (uint##bits##_t)(value);                          \
            SLOW(a64_store(cpu, va, bits / 8, &buf, flags));                   \
        }                                                                      \
    } while (0)

/* Two elements of `bits`, or one of 128, at once. */
#define LOAD2(bits, va, v0, v1)                                                \
    do {                                                                       \
        const struct a64_tlb_entry *e = TLB_ENTRY(va);                         \
        if (LULL_LIKELY(TLB_TAG(va, bits / 4, cpu->ctx) == e->rtag)) {         \
            mem##bits *p = (mem##bits *)(uintptr_t)((va) + e->addend);         \
            v0 = p[0];                                                         \
            v1 = p[1];                                                         \
        } else {                                                               \
            SLOW(a64_load(cpu, va, bits / 4, &buf, SP_FLAG));                  \
            v0 = buf.u##bits[0];                                               \
            v1 = buf.u##bits[1];                                               \
        }                                                                      \
    } while (0)
#define STORE2(bits, va, v0, v1)                                               \
    do {                                                                       \
        const struct a64_tlb_entry *e = TLB_ENTRY(va);                         \
        if (LULL_LIKELY(TLB_TAG(va, bits / 4, cpu->ctx) == e->wtag)) {         \
            mem##bits *p = (mem##bits *)(uintptr_t)((va) + e->addend);         \
            p[0] = (uint##bits##_t)(v0);                                       \
            p[1] = (uint##bits##_t)(v1);                                       \
        } else {                                                               \
            buf.u##bits[0] = (uint##bits##_t)(v0);                             \
            buf.u##bits[1] = (uint##bits##_t)(v1);                             \
            SLOW(a64_store(cpu, va, bits / 4, &buf, SP_FLAG));                 \
        }                                                                      \
    } while (0)

/* The six address modes. LOADX and STOREX move one register's worth. */
#define IMM ((uint64_t)(int64_t)op->imm)
#define MODES(name, BODY)                                                      \
    L(name##_I) : BODY(X(op->rn) + IMM, (void)0);                              \
    L(name##_R) : BODY(X(op->rn) + (X(op->rm) << op->ra), (void)0);            \
    L(name##_RU) : BODY(X(op->rn) + ((uint64_t)W(op->rm) << op->ra), (void)0); \
    L(name##_RS)                                                               \
        : BODY(X(op->rn) + ((uint64_t)(int64_t)(int32_t)W(op->rm) << op->ra),  \
               (void)0);                                                       \
    L(name##_PRE) : BODY(X(op->rn) + IMM, X(op->rn) = va);                     \
    L(name##_POST) : BODY(X(op->rn), X(op->rn) = va + IMM);
#define PAIR_MODES(name, BODY)                                                 \
    L(name##_I) : BODY(X(op->rn) + IMM, (void)0);                              \
    L(name##_PRE) : BODY(X(op->rn) + IMM, X(op->rn) = va);                     \
    L(name##_POST) : BODY(X(op->rn), X(op->rn) = va + IMM);

#define LOADX(bits, cast, address, writeback)                                  \
    {                                                                          \
        uint64_t va = (address);                                               \
        uint##bits##_t value;                                                  \
        LOAD_AS(bits, va, value, cpu->ctx, SP_FLAG);                           \
        writeback;                                                             \
        X(op->rd) = cast(value);                                               \
        NEXT;                                                                  \
    }
#define STOREX(bits, address, writeback)                                       \
    {                                                                          \
        uint64_t va = (address);                                               \
        STORE_AS(bits, va, X(op->rd), cpu->ctx, SP_FLAG);                      \
        writeback;                                                             \
        NEXT;                                                                  \
    }
#define NEED_FP                                                                \
    do {                                                                       \
        if (LULL_UNLIKELY(!cpu->fp_on))                                        \
            goto fp_trap;                                                      \
    } while (0)
#define LOADV(bits, address, writeback)                                        \
    {                                                                          \
        uint64_t va;                                                           \
        uint##bits##_t value;                                                  \
        NEED_FP;                                                               \
        va = (address);                                                        \
        LOAD_AS(bits, va, value, cpu->ctx, SP_FLAG);                           \
        writeback;                                                             \
        cpu->v[op->rd].d[0] = value;                                           \
        cpu->v[op->rd].d[1] = 0;                                               \
        NEXT;                                                                  \
    }
#define STOREV(bits, address, writeback)                                       \
    {                                                                          \
        uint64_t va;                                                           \
        NEED_FP;                                                               \
        va = (address);                                                        \
        STORE_AS(bits, va, cpu->v[op->rd].d[0], cpu->ctx, SP_FLAG);            \
        writeback;                                                             \
        NEXT;                                                                  \
    }

/* How a loaded value is extended to a register. */
#define ZX(v) (v)
#define SB_W(v) ((uint32_t)(int8_t)(v))
#define SB_X(v) ((uint64_t)(int8_t)(v))
#define SH_W(v) ((uint32_t)(int16_t)(v))
#define SH_X(v) ((uint64_t)(int16_t)(v))
#define SW_X(v) ((uint64_t)(int32_t)(v))

#define LDRB_BODY(a, wb) LOADX(8, ZX, a, wb)
#define LDRH_BODY(a, wb) LOADX(16, ZX, a, wb)
#define LDRW_BODY(a, wb) LOADX(32, ZX, a, wb)
#define LDRX_BODY(a, wb) LOADX(64, ZX, a, wb)
#define LDRSBW_BODY(a, wb) LOADX(8, SB_W, a, wb)
#define LDRSBX_BODY(a, wb) LOADX(8, SB_X, a, wb)
#define LDRSHW_BODY(a, wb) LOADX(16, SH_W, a, wb)
#define LDRSHX_BODY(a, wb) LOADX(16, SH_X, a, wb)
#define LDRSW_BODY(a, wb) LOADX(32, SW_X, a, wb)
#define STRB_BODY(a, wb) STOREX(8, a, wb)
#define STRH_BODY(a, wb) STOREX(16, a, wb)
#define STRW_BODY(a, wb) STOREX(32, a, wb)
#define STRX_BODY(a, wb) STOREX(64, a, wb)
#define LDRVB_BODY(a, wb) LOADV(8, a, wb)
#define LDRVH_BODY(a, wb) LOADV(16, a, wb)
#define LDRVS_BODY(a, wb) LOADV(32, a, wb)
#define LDRVD_BODY(a, wb) LOADV(64, a, wb)
#define STRVB_BODY(a, wb) STOREV(8, a, wb)
#define STRVH_BODY(a, wb) STOREV(16, a, wb)
#define STRVS_BODY(a, wb) STOREV(32, a, wb)
#define STRVD_BODY(a, wb) STOREV(64, a, wb)
#define LDRVQ_BODY(a, wb)                                                      \
    {                                                                          \
        uint64_t va, v0, v1;                                                   \
        NEED_FP;                                                               \
        va = (a);                                                              \
        LOAD2(64, va, v0, v1);                                                 \
        wb;                                                                    \
        cpu->v[op->rd].pair = (a64_pair){v0, v1};                              \
        NEXT;                                                                  \
    }
#define STRVQ_BODY(a, wb)                                                      \
    {                                                                          \
        uint64_t va;                                                           \
        NEED_FP;                                                               \
        va = (a);                                                              \
        STORE2(64, va, cpu->v[op->rd].d[0], cpu->v[op->rd].d[1]);              \
        wb;                                                                    \
        NEXT;                                                                  \
    }

#define LDP(bits, cast, a, wb)                                                 \
    {                                                                          \
        uint64_t va = (a);                                                     \
        uint##bits##_t v0, v1;                                                 \
        LOAD2(bits, va, v0, v1);                                               \
        wb;                                                                    \
        X(op->rd) = cast(v0);                                                  \
        X(op->ra) = cast(v1);                                                  \
        NEXT;                                                                  \
    }
#define STP(bits, a, wb)                                                       \
    {                                                                          \
        uint64_t va = (a);                                                     \
        STORE2(bits, va, X(op->rd), X(op->ra));                                \
        wb;                                                                    \
        NEXT;                                                                  \
    }
#define LDPV(bits, a, wb)                                                      \
    {                                                                          \
        uint64_t va;                                                           \
        uint##bits##_t v0, v1;                                                 \
        NEED_FP;                                                               \
        va = (a);                                                              \
        LOAD2(bits, va, v0, v1);                                               \
        wb;                                                                    \
        cpu->v[op->rd] = (union a64_vreg){.d = {v0}};                          \
        cpu->v[op->ra] = (union a64_vreg){.d = {v1}};                          \
        NEXT;                                                                  \
    }
#define STPV(bits, a, wb)                                                      \
    {                                                                          \
        uint64_t va;                                                           \
        NEED_FP;                                                               \
        va = (a);                                                              \
        STORE2(bits, va, cpu->v[op->rd].d[0], cpu->v[op->ra].d[0]);            \
        wb;                                                                    \
        NEXT;                                                                  \
    }
#define LDPW_BODY(a, wb) LDP(32, ZX, a, wb)
#define LDPX_BODY(a, wb) LDP(64, ZX, a, wb)
#define LDPSW_BODY(a, wb) LDP(32, SW_X, a, wb)
#define STPW_BODY(a, wb) STP(32, a, wb)
#define STPX_BODY(a, wb) STP(64, a, wb)
#define LDPVS_BODY(a, wb) LDPV(32, a, wb)
#define LDPVD_BODY(a, wb) LDPV(64, a, wb)
#define STPVS_BODY(a, wb) STPV(32, a, wb)
#define STPVD_BODY(a, wb) STPV(64, a, wb)
#define LDPVQ_BODY(a, wb)                                                      \
    {                                                                          \
        uint64_t va;                                                           \
        NEED_FP;                                                               \
        va = (a);                                                              \
        SLOW(a64_load(cpu, va, 32, &buf, SP_FLAG));                            \
        wb;                                                                    \
        memcpy(&cpu->v[op->rd], &buf.u64[0], 16);                              \
        memcpy(&cpu->v[op->ra], &buf.u64[2], 16);                              \
        NEXT;                                                                  \
    }
#define STPVQ_BODY(a, wb)                                                      \
    {                                                                          \
        uint64_t va;                                                           \
        NEED_FP;                                                               \
        va = (a);                                                              \
        memcpy(&buf.u64[0], &cpu->v[op->rd], 16);                              \
        memcpy(&buf.u64[2], &cpu->v[op->ra], 16);                              \
        SLOW(a64_store(cpu, va, 32, &buf, SP_FLAG));                           \
        wb;                                                                    \
        NEXT;                                                                  \
    }

/* Conditions, as expressions of the flags. */
#define COND_EQ (cpu->fz == 0)
#define COND_NE (cpu->fz != 0)
#define COND_CS (cpu->fc)
#define COND_CC (!cpu->fc)
#define COND_MI ((int64_t)cpu->fn < 0)
#define COND_PL ((int64_t)cpu->fn >= 0)
#define COND_VS (cpu->fv)
#define COND_VC (!cpu->fv)
#define COND_HI (cpu->fc && cpu->fz != 0)
#define COND_LS (!(cpu->fc && cpu->fz != 0))
#define COND_GE ((cpu->fn >> 63) == cpu->fv)
#define COND_LT ((cpu->fn >> 63) != cpu->fv)
#define COND_GT (cpu->fz != 0 && (cpu->fn >> 63) == cpu->fv)
#define COND_LE (!(cpu->fz != 0 && (cpu->fn >> 63) == cpu->fv))

#define DO_BC(n, c) L(BC_##c) : BRANCH_NEAR(COND_##c);
#define SELECT(name, c, else_value)                                            \
    L(name##_##c) :                                                            \
    {                                                                          \
        X(op->rd) = COND_##c ? X(op->rn) : (else_value);                       \
        NEXT;                                                                  \
    }
#define SELECT_W(name, c, else_value)                                          \
    L(name##_##c) :                                                            \
    {                                                                          \
        X(op->rd) = COND_##c ? W(op->rn) : (uint32_t)(else_value);             \
        NEXT;                                                                  \
    }
#define DO_CSEL(n, c)                                                          \
    SELECT(CSEL_X, c, X(op->rm)) SELECT_W(CSEL_W, c, W(op->rm))
#define DO_CSINC(n, c)                                                         \
    SELECT(CSINC_X, c, X(op->rm) + 1) SELECT_W(CSINC_W, c, W(op->rm) + 1)
#define DO_CSINV(n, c)                                                         \
    SELECT(CSINV_X, c, ~X(op->rm)) SELECT_W(CSINV_W, c, ~W(op->rm))
#define DO_CSNEG(n, c)                                                         \
    SELECT(CSNEG_X, c, 0 - X(op->rm)) SELECT_W(CSNEG_W, c, 0 - W(op->rm))

/* rd = f(rn, rm) for both widths; A and B are the operands, SH the amount. */
#define BOTH(name, xexpr, wexpr)                                               \
    L(name##_X) :                                                              \
    {                                                                          \
        uint64_t A = X(op->rn), B = X(op->rm);                                 \
        (void)A, (void)B;                                                      \
        X(op->rd) = (xexpr);                                                   \
        NEXT;                                                                  \
    }                                                                          \
    L(name##_W) :                                                              \
    {                                                                          \
        uint32_t A = W(op->rn), B = W(op->rm);                                 \
        (void)A, (void)B;                                                      \
        X(op->rd) = (uint32_t)(wexpr);                                         \
        NEXT;                                                                  \
    }
#define SHIFTED(name, xf, wf)                                                  \
    BOTH(name, xf(B), wf(B))                                                   \
    BOTH(name##_LSL, xf(B << op->ra), wf(B << op->ra))                         \
    BOTH(name##_LSR, xf(B >> op->ra), wf(B >> op->ra))                         \
    BOTH(name##_ASR, xf((uint64_t)((int64_t)B >> op->ra)),                     \
         wf((uint32_t)((int32_t)B >> op->ra)))
#define ARITH(name, xf, wf)                                                    \
    SHIFTED(name, xf, wf)                                                      \
    BOTH(name##_E, xf(extend(B, op->uimm) << op->ra),                          \
         wf((uint32_t)extend(B, op->uimm) << op->ra))
#define LOGIC(name, xf, wf)                                                    \
    SHIFTED(name, xf, wf)                                                      \
    BOTH(name##_ROR, xf(ror64(B, op->ra)), wf(ror32(B, op->ra)))

#define F_ADD(b) A + (b)
#define F_SUB(b) A - (b)
#define F_ADDS64(b) adds64(cpu, A, b)
#define F_ADDS32(b) adds32(cpu, A, b)
#define F_SUBS64(b) subs64(cpu, A, b)
#define F_SUBS32(b) subs32(cpu, A, b)
#define F_AND(b) A &(b)
#define F_ORR(b) A | (b)
#define F_EOR(b) A ^ (b)
#define F_BIC(b) A & ~(b)
#define F_ORN(b) A | ~(b)
#define F_EON(b) A ^ ~(b)
#define F_ANDS64(b) logic64(cpu, A &(b))
#define F_ANDS32(b) logic32(cpu, A &(b))
#define F_BICS64(b) logic64(cpu, A & ~(b))
#define F_BICS32(b) logic32(cpu, A & ~(b))

/* Immediate forms: I is the operand. */
#define IMMEDIATE(name, xexpr, wexpr)                                          \
    L(name##_X) :                                                              \
    {                                                                          \
        uint64_t A = X(op->rn), I = IMM;                                       \
        X(op->rd) = (xexpr);                                                   \
        NEXT;                                                                  \
    }                                                                          \
    L(name##_W) :                                                              \
    {                                                                          \
        uint32_t A = W(op->rn), I = op->uimm;                                  \
        X(op->rd) = (uint32_t)(wexpr);                                         \
        NEXT;                                                                  \
    }
#define BITMASK(name, expr)                                                    \
    L(name##_X) :                                                              \
    {                                                                          \
        uint64_t A = X(op->rn), I = a64_bitmask[op->uimm];                     \
        X(op->rd) = (expr);                                                    \
        NEXT;                                                                  \
    }
#define CCMP(name, XB, WB, xf, wf)                                             \
    L(name##_X) :                                                              \
    {                                                                          \
        if (cond_holds(cpu, op->ra))                                           \
            xf(cpu, X(op->rn), XB);                                            \
        else                                                                   \
            a64_set_nzcv(cpu, (uint32_t)op->rd << 28);                         \
        NEXT;                                                                  \
    }                                                                          \
    L(name##_W) :                                                              \
    {                                                                          \
        if (cond_holds(cpu, op->ra))                                           \
            wf(cpu, W(op->rn), WB);                                            \
        else                                                                   \
            a64_set_nzcv(cpu, (uint32_t)op->rd << 28);                         \
        NEXT;                                                                  \
    }

#define LITERAL(bits, cast)                                                    \
    {                                                                          \
        uint64_t va = PC() + IMM;                                              \
        uint##bits##_t value;                                                  \
        LOAD_AS(bits, va, value, cpu->ctx, 0);                                 \
        X(op->rd) = cast(value);                                               \
        NEXT;                                                                  \
    }
#define LITERAL_V(bits)                                                        \
    {                                                                          \
        uint64_t va;                                                           \
        uint##bits##_t value;                                                  \
        NEED_FP;                                                               \
        va = PC() + IMM;                                                       \
        LOAD_AS(bits, va, value, cpu->ctx, 0);                                 \
        cpu->v[op->rd] = (union a64_vreg){.d = {value}};                       \
        NEXT;                                                                  \
    }
#define UNPRIV_LOAD(bits)                                                      \
    {                                                                          \
        uint64_t va = X(op->rn) + IMM;                                         \
        uint##bits##_t value;                                                  \
        LOAD_AS(bits, va, value, cpu->ctx_unpriv, A64_MEM_UNPRIV | SP_FLAG);   \
        X(op->rd) = value;                                                     \
        NEXT;                                                                  \
    }
#define UNPRIV_STORE(bits)                                                     \
    {                                                                          \
        uint64_t va = X(op->rn) + IMM;                                         \
        STORE_AS(bits, va, X(op->rd), cpu->ctx_unpriv,                         \
                 A64_MEM_UNPRIV | SP_FLAG);                                    \
        NEXT;                                                                  \
    }
/* Load-acquire and store-release: aligned, and sequentially consistent among
 * themselves, which is what RCsc asks for [B2.3]. */
#define ACQUIRE(bits)                                                          \
    {                                                                          \
        uint64_t va = X(op->rn);                                               \
        const struct a64_tlb_entry *e = TLB_ENTRY(va);                         \
        if (LULL_LIKELY(TLB_TAG(va, bits / 8, cpu->ctx) == e->rtag &&          \
                        !(va & (bits / 8 - 1)))) {                             \
            X(op->rd) =                                                        \
                __atomic_load_n((uint##bits##_t *)(uintptr_t)(va + e->addend), \
                                __ATOMIC_SEQ_CST);                             \
        } else {                                                               \
            SLOW(                                                              \
                a64_load(cpu, va, bits / 8, &buf, A64_MEM_ALIGNED | SP_FLAG)); \
            atomic_thread_fence(memory_order_seq_cst);                         \
            X(op->rd) = buf.u##bits[0];                                        \
        }                                                                      \
        NEXT;                                                                  \
    }
#define RELEASE(bits)                                                          \
    {                                                                          \
        uint64_t va = X(op->rn);                                               \
        const struct a64_tlb_entry *e = TLB_ENTRY(va);                         \
        if (LULL_LIKELY(TLB_TAG(va, bits / 8, cpu->ctx) == e->wtag &&          \
                        !(va & (bits / 8 - 1)))) {                             \
            __atomic_store_n((uint##bits##_t *)(uintptr_t)(va + e->addend),    \
                             (uint##bits##_t)X(op->rd), __ATOMIC_SEQ_CST);     \
        } else {                                                               \
            buf.u##bits[0] = (uint##bits##_t)X(op->rd);                        \
            atomic_thread_fence(memory_order_seq_cst);                         \
            SLOW(a64_store(cpu, va, bits / 8, &buf,                            \
                           A64_MEM_ALIGNED | SP_FLAG));                        \
            atomic_thread_fence(memory_order_seq_cst);                         \
        }                                                                      \
        NEXT;                                                                  \
    }

/* Where a register that needs no check lives. */
static inline uint64_t *plain_register(struct a64_cpu *cpu,
                                       const struct a64_op *op)
{
    return (uint64_t *)((char *)cpu + op->uimm);
}

/* The instruction word of `op`, for the slow forms. */
static inline uint32_t word_at(const struct a64_cpu *cpu,
                               const struct a64_op *op)
{
    const struct a64_code_page *page =
        (const struct a64_code_page *)cpu->page_ops;

    return __atomic_load_n(&page->source[op - cpu->page_ops], __ATOMIC_RELAXED);
}

/* ---- the loop ---- */

static NO_TSAN void interp(struct a64_cpu *cpu)
{
    static const void *const handlers[] = {
#define LABEL(n) &&h_##n,
#define LABEL_COND(n, c) &&h_##n##_##c,
        A64_OPS(LABEL, LABEL_COND)};
    struct a64_op *op = NULL;
    struct a64_code_page *page;
    enum a64_next next;
    bool stepping = false, drawn = false;
    int budget = 0; /* look before the first instruction */
    union {
        uint8_t u8[64];
        uint16_t u16[32];
        uint32_t u32[16];
        uint64_t u64[8];
    } buf;

    if (cpu == NULL) {
        a64_handlers = handlers;
        return;
    }
    goto redirect;

jump: /* cpu->pc is set, a branch was taken */
    budget--;
redirect: /* find the code at cpu->pc */
    if (LULL_UNLIKELY(budget <= 0)) {
        next = a64_poll(cpu);
        budget = (int)cpu->poll_left;
        if (next == A64_EXIT)
            return;
        drawn = true;
    }
    if (LULL_UNLIKELY(cpu->debug_on | cpu->il | cpu->recording)) {
        if (cpu->debug_on | cpu->il)
            goto debug;
        a64_wake_note(cpu, op);
    }
    stepping = false;
    {
        uint64_t pc = cpu->pc;
        const struct a64_fetch_entry *e =
            &cpu->fetch[(pc >> 12) & (A64_FETCH_SIZE - 1)];

        if (LULL_LIKELY(((pc & ~0xfffULL) | cpu->ctx[pc >> 63]) == e->tag &&
                        !(pc & 3))) {
            page = e->page;
        } else {
            cpu->poll_left = (uint32_t)budget;
            next = a64_fetch(cpu, &page);
            budget = (int)cpu->poll_left;
            if (next == A64_EXIT)
                return;
            if (next == A64_REDIRECT)
                goto jump;
        }
        cpu->page_va = pc & ~0xfffULL;
        cpu->page_ops = page->op;
        op = &page->op[pc >> 2 & (A64_PAGE_OPS - 1)];
        if (LULL_UNLIKELY(drawn)) {
            drawn = false;
            a64_native_sample(cpu, op);
        }
        DISPATCH;
    }

poll: /* out of budget at `op` */
    cpu->pc = PC();
    next = a64_poll(cpu);
    budget = (int)cpu->poll_left;
    if (LULL_LIKELY(next == A64_NEXT)) {
        a64_native_sample(cpu, op);
        DISPATCH;
    }
redirected: /* `next` is not A64_NEXT, cpu->pc is current */
    if (next == A64_EXIT)
        return;
    goto jump;

debug: /* one instruction at a time, or an illegal state */
    if (cpu->il) {
        next = a64_exception(cpu, A64_EC_ILLEGAL, 0, 0);
        goto redirected;
    }
    cpu->poll_left = (uint32_t)budget;
    if (stepping) {
        stepping = false;
        next = a64_debug_after(cpu);
        if (next != A64_NEXT)
            goto redirected;
    }
    next = a64_debug_before(cpu);
    if (next == A64_NEXT)
        next = a64_fetch(cpu, &page);
    budget = (int)cpu->poll_left;
    if (next != A64_NEXT)
        goto redirected;
    page = a64_code_step(cpu, page, cpu->pc >> 2 & (A64_PAGE_OPS - 1));
    if (page == NULL) {
        next = a64_undefined(cpu);
        goto redirected;
    }
    stepping = true;
    cpu->page_va = cpu->pc & ~0xfffULL;
    cpu->page_ops = page->op;
    op = &page->op[cpu->pc >> 2 & (A64_PAGE_OPS - 1)];
    DISPATCH;

fp_trap:
    cpu->pc = PC();
    /* CV=1, COND=0b1110, as for every A64 instruction */
    next = a64_exception(cpu, A64_EC_FP, 0x1e00000, 0);
    goto redirected;

    /* ---- the machinery's own ---- */
    L(DECODE)
        : a64_code_fill(cpu, (struct a64_code_page *)cpu->page_ops,
                        (unsigned)(op - cpu->page_ops));
    DISPATCH;
    L(NATIVE) :
    {
        struct a64_op *to;

        page = (struct a64_code_page *)cpu->page_ops;
        if (LULL_UNLIKELY(cpu->cold != 0))
            goto *a64_handlers[page->native->opcode[op - cpu->page_ops]];
        cpu->poll_left = (uint32_t)budget;
        to = page->native->entry[op - cpu->page_ops](cpu);
        budget = (int)cpu->poll_left;
        if (to == A64_NATIVE_EXIT)
            return;
        if (to == A64_NATIVE_JUMP)
            goto jump;
        op = (struct a64_op *)((uintptr_t)to & ~(uintptr_t)A64_NATIVE_ITSELF);
        if (LULL_UNLIKELY(budget <= 0))
            goto poll;
        if (to != op && HANDLER(op) == a64_handlers[A64_OP_NATIVE]) {
            page = (struct a64_code_page *)cpu->page_ops;
            goto *a64_handlers[page->native->opcode[op - cpu->page_ops]];
        }
        DISPATCH;
    }
    L(PAGE_END) : L(STEP_END) : cpu->pc = PC();
    goto jump;
    L(UNDEF) : cpu->pc = PC();
    next = a64_undefined(cpu);
    goto redirected;
    L(FP_FN) : NEED_FP;
    L(FN) : ((a64_fn *)a64_fn_at(op->imm))(cpu, op->insn);
    NEXT;
    L(FP_TRAP_FN) : NEED_FP;
    L(TRAP_FN) : CALL(((a64_trap_fn *)a64_fn_at(op->imm))(cpu, op->insn));
trapped:
    if (LULL_UNLIKELY(next != A64_NEXT))
        goto redirected;
    op++;
    if (LULL_UNLIKELY(budget <= 1))
        goto poll; /* it asked for a look before the next instruction */
    DISPATCH;
    L(NOP) : NEXT;
    L(DMB) : atomic_thread_fence(memory_order_seq_cst);
    NEXT;
    L(DSB) :
    {
        uint64_t pc = PC();

        /* a64_dsb is the fence. It may serve other vCPUs' invalidations while
         * it waits, and then this code page may be gone: find it again */
        cpu->pc = pc;
        a64_dsb(cpu);
        GOTO_PC(pc + 4);
    }
    L(CLREX) : cpu->excl_host = NULL;
    NEXT;

    L(DC_ZVA) :
    {
        uint64_t va = X(op->rd);
        const struct a64_tlb_entry *e = TLB_ENTRY(va);

        /* what EL0 may do is in SCTLR_EL1.DZE, which a64_system knows */
        if (LULL_UNLIKELY(TLB_TAG(va, 1, cpu->ctx) != e->wtag || cpu->el == 0))
            goto system;
        memset((void *)(uintptr_t)((va & ~63ULL) + e->addend), 0, 64);
        NEXT;
    }

    /* ---- moves ---- */
    L(MOVI) : X(op->rd) = IMM;
    NEXT;
    L(MOVU) : X(op->rd) = op->uimm;
    NEXT;
    L(MOVZ_SH) : X(op->rd) = (uint64_t)op->uimm << op->ra;
    NEXT;
    L(MOVN_SH) : X(op->rd) = ~((uint64_t)op->uimm << op->ra);
    NEXT;
    L(MOVK_X)
        : X(op->rd) = (X(op->rd) & ~(0xffffULL << op->ra)) | (uint64_t)op->uimm
                                                                 << op->ra;
    NEXT;
    L(MOVK_W)
        : X(op->rd) = (W(op->rd) & ~(0xffffu << op->ra)) | op->uimm << op->ra;
    NEXT;
    L(MOV_X) : X(op->rd) = X(op->rn);
    NEXT;
    L(MOV_W) : X(op->rd) = W(op->rn);
    NEXT;
    L(ADR) : X(op->rd) = PC() + IMM;
    NEXT;
    L(ADRP) : X(op->rd) = cpu->page_va + (IMM << 12);
    NEXT;

    /* ---- immediates ---- */
    IMMEDIATE(ADDI, A + I, A + I)
    IMMEDIATE(ADDSI, adds64(cpu, A, I), adds32(cpu, A, I))
    IMMEDIATE(SUBSI, subs64(cpu, A, I), subs32(cpu, A, I))
    L(CMPI_X) : subs64(cpu, X(op->rn), IMM);
    NEXT;
    L(CMPI_W) : subs32(cpu, W(op->rn), op->uimm);
    NEXT;
    IMMEDIATE(ANDI, A & I, A & I)
    IMMEDIATE(ORRI, A | I, A | I)
    IMMEDIATE(EORI, A ^ I, A ^ I)
    IMMEDIATE(ANDSI, logic64(cpu, A & I), logic32(cpu, A & I))
    BITMASK(ANDT, A & I)
    BITMASK(ORRT, A | I)
    BITMASK(EORT, A ^ I)
    BITMASK(ANDST, logic64(cpu, A & I))

    /* ---- registers ---- */
    ARITH(ADD, F_ADD, F_ADD)
    ARITH(SUB, F_SUB, F_SUB)
    ARITH(ADDS, F_ADDS64, F_ADDS32)
    ARITH(SUBS, F_SUBS64, F_SUBS32)
    L(CMP_X) : subs64(cpu, X(op->rn), X(op->rm));
    NEXT;
    L(CMP_W) : subs32(cpu, W(op->rn), W(op->rm));
    NEXT;
    LOGIC(AND, F_AND, F_AND)
    LOGIC(ORR, F_ORR, F_ORR)
    LOGIC(EOR, F_EOR, F_EOR)
    LOGIC(BIC, F_BIC, F_BIC)
    LOGIC(ORN, F_ORN, F_ORN)
    LOGIC(EON, F_EON, F_EON)
    LOGIC(ANDS, F_ANDS64, F_ANDS32)
    LOGIC(BICS, F_BICS64, F_BICS32)
    BOTH(ADC, A + B + cpu->fc, A + B + cpu->fc)
    BOTH(SBC, A + ~B + cpu->fc, A + ~B + cpu->fc)
    BOTH(ADCS, adcs64(cpu, A, B), adcs32(cpu, A, B))
    BOTH(SBCS, adcs64(cpu, A, ~B), adcs32(cpu, A, ~B))
    BOTH(LSLI, A << op->ra, A << op->ra)
    BOTH(LSRI, A >> op->ra, A >> op->ra)
    BOTH(ASRI, (uint64_t)((int64_t)A >> op->ra),
         (uint32_t)((int32_t)A >> op->ra))
    BOTH(UBFM, A << op->ra >> op->imm, A << op->ra >> op->imm)
    BOTH(SBFM, (uint64_t)((int64_t)(A << op->ra) >> op->imm),
         (uint32_t)((int32_t)(A << op->ra) >> op->imm))
    L(BFI_X) :
    {
        uint64_t mask = ones(op->uimm) << op->ra;

        X(op->rd) = (X(op->rd) & ~mask) | (X(op->rn) << op->ra & mask);
        NEXT;
    }
    L(BFI_W) :
    {
        uint32_t mask = (uint32_t)(ones(op->uimm) << op->ra);

        X(op->rd) = (W(op->rd) & ~mask) | (W(op->rn) << op->ra & mask);
        NEXT;
    }
    L(BFXIL_X) :
    {
        uint64_t mask = ones(op->uimm);

        X(op->rd) = (X(op->rd) & ~mask) | (X(op->rn) >> op->ra & mask);
        NEXT;
    }
    L(BFXIL_W) :
    {
        uint32_t mask = (uint32_t)ones(op->uimm);

        X(op->rd) = (W(op->rd) & ~mask) | (W(op->rn) >> op->ra & mask);
        NEXT;
    }
    BOTH(EXTR, op->ra ? B >> op->ra | A << (64 - op->ra) : B,
         op->ra ? B >> op->ra | A << (32 - op->ra) : B)
    BOTH(LSLV, A << (B & 63), A << (B & 31))
    BOTH(LSRV, A >> (B & 63), A >> (B & 31))
    BOTH(ASRV, (uint64_t)((int64_t)A >> (B & 63)),
         (uint32_t)((int32_t)A >> (B & 31)))
    BOTH(RORV, ror64(A, (unsigned)B), ror32(A, B))
    BOTH(MUL, A * B, A * B)
    BOTH(MADD, X(op->ra) + A * B, W(op->ra) + A * B)
    BOTH(MSUB, X(op->ra) - A * B, W(op->ra) - A * B)
#define S32(r) ((int64_t)(int32_t)W(r))
#define U32(r) ((uint64_t)W(r))
    L(SMADDL) : X(op->rd) = X(op->ra) + (uint64_t)(S32(op->rn) * S32(op->rm));
    NEXT;
    L(SMSUBL) : X(op->rd) = X(op->ra) - (uint64_t)(S32(op->rn) * S32(op->rm));
    NEXT;
    L(UMADDL) : X(op->rd) = X(op->ra) + U32(op->rn) * U32(op->rm);
    NEXT;
    L(UMSUBL) : X(op->rd) = X(op->ra) - U32(op->rn) * U32(op->rm);
    NEXT;
    L(SMULH)
        : X(op->rd) =
              (uint64_t)((__int128)(int64_t)X(op->rn) * (int64_t)X(op->rm) >>
                         64);
    NEXT;
    L(UMULH)
        : X(op->rd) =
              (uint64_t)((unsigned __int128)X(op->rn) * X(op->rm) >> 64);
    NEXT;
    BOTH(UDIV, B ? A / B : 0, B ? A / B : 0)
    BOTH(SDIV, (uint64_t)sdiv64((int64_t)A, (int64_t)B),
         (uint32_t)sdiv32((int32_t)A, (int32_t)B))
    BOTH(RBIT, rbit64(A), rbit64(A) >> 32)
    BOTH(REV16, rev16(A), rev16(A))
    L(REV32_X) :
    {
        uint64_t a = __builtin_bswap64(X(op->rn));

        X(op->rd) = a >> 32 | a << 32;
        NEXT;
    }
    BOTH(REV, __builtin_bswap64(A), __builtin_bswap32(A))
    BOTH(CLZ, A ? (unsigned)__builtin_clzll(A) : 64,
         A ? (unsigned)__builtin_clz(A) : 32)
    BOTH(CLS, cls64(A), cls32(A))
    CCMP(CCMP, X(op->rm), W(op->rm), subs64, subs32)
    CCMP(CCMPI, op->rm, op->rm, subs64, subs32)
    CCMP(CCMN, X(op->rm), W(op->rm), adds64, adds32)
    CCMP(CCMNI, op->rm, op->rm, adds64, adds32)
    A64_CONDS(DO_CSEL, )
    A64_CONDS(DO_CSINC, )
    A64_CONDS(DO_CSINV, )
    A64_CONDS(DO_CSNEG, )

    /* ---- branches ---- */
    L(B_N) : op += op->imm;
    TAKEN;
    L(B) : GOTO_PC(PC() + IMM);
    L(BL_N) : X(30) = PC() + 4;
    op += op->imm;
    TAKEN;
    L(BL) :
    {
        uint64_t pc = PC();

        X(30) = pc + 4;
        GOTO_PC(pc + IMM);
    }
    L(BLR) :
    {
        uint64_t target = X(op->rn);

        X(30) = PC() + 4;
        GOTO_PC(target);
    }
    L(BR) : L(RET) : GOTO_PC(X(op->rn));
    A64_CONDS(DO_BC, )
    L(BCOND) : BRANCH_FAR(cond_holds(cpu, op->ra));
    L(CBZ_XN) : BRANCH_NEAR(X(op->rd) == 0);
    L(CBZ_WN) : BRANCH_NEAR(W(op->rd) == 0);
    L(CBNZ_XN) : BRANCH_NEAR(X(op->rd) != 0);
    L(CBNZ_WN) : BRANCH_NEAR(W(op->rd) != 0);
    L(TBZ_N) : BRANCH_NEAR(!(X(op->rd) >> op->ra & 1));
    L(TBNZ_N) : BRANCH_NEAR(X(op->rd) >> op->ra & 1);
    L(CBZ_X) : BRANCH_FAR(X(op->rd) == 0);
    L(CBZ_W) : BRANCH_FAR(W(op->rd) == 0);
    L(CBNZ_X) : BRANCH_FAR(X(op->rd) != 0);
    L(CBNZ_W) : BRANCH_FAR(W(op->rd) != 0);
    L(TBZ) : BRANCH_FAR(!(X(op->rd) >> op->ra & 1));
    L(TBNZ) : BRANCH_FAR(X(op->rd) >> op->ra & 1);

    /* ---- system ---- */
    /* with SPSel = 0, too: SP_EL0 is among them, and must not be read there */
    L(MRS_EL1) : if (LULL_UNLIKELY(cpu->spsel == 0)) goto system;
    L(MRS_EL0) : X(op->rd) = *plain_register(cpu, op);
    NEXT;
    L(MSR_EL1) : if (LULL_UNLIKELY(cpu->spsel == 0)) goto system;
    L(MSR_EL0) : *plain_register(cpu, op) = X(op->rd);
    NEXT;
    L(MRS_NZCV) : X(op->rd) = a64_nzcv(cpu);
    NEXT;
    L(MSR_NZCV) : a64_set_nzcv(cpu, W(op->rd));
    NEXT;
system:
    CALL(a64_system(cpu, word_at(cpu, op)));
    goto trapped;

    /* ---- loads and stores ---- */
    MODES(LDRB, LDRB_BODY)
    MODES(LDRH, LDRH_BODY)
    MODES(LDR_W, LDRW_BODY)
    MODES(LDR_X, LDRX_BODY)
    MODES(LDRSB_W, LDRSBW_BODY)
    MODES(LDRSB_X, LDRSBX_BODY)
    MODES(LDRSH_W, LDRSHW_BODY)
    MODES(LDRSH_X, LDRSHX_BODY)
    MODES(LDRSW, LDRSW_BODY)
    MODES(STRB, STRB_BODY)
    MODES(STRH, STRH_BODY)
    MODES(STR_W, STRW_BODY)
    MODES(STR_X, STRX_BODY)
    MODES(LDR_VB, LDRVB_BODY)
    MODES(LDR_VH, LDRVH_BODY)
    MODES(LDR_VS, LDRVS_BODY)
    MODES(LDR_VD, LDRVD_BODY)
    MODES(LDR_VQ, LDRVQ_BODY)
    MODES(STR_VB, STRVB_BODY)
    MODES(STR_VH, STRVH_BODY)
    MODES(STR_VS, STRVS_BODY)
    MODES(STR_VD, STRVD_BODY)
    MODES(STR_VQ, STRVQ_BODY)
    PAIR_MODES(LDP_W, LDPW_BODY)
    PAIR_MODES(LDP_X, LDPX_BODY)
    PAIR_MODES(LDPSW, LDPSW_BODY)
    PAIR_MODES(STP_W, STPW_BODY)
    PAIR_MODES(STP_X, STPX_BODY)
    PAIR_MODES(LDP_VS, LDPVS_BODY)
    PAIR_MODES(LDP_VD, LDPVD_BODY)
    PAIR_MODES(LDP_VQ, LDPVQ_BODY)
    PAIR_MODES(STP_VS, STPVS_BODY)
    PAIR_MODES(STP_VD, STPVD_BODY)
    PAIR_MODES(STP_VQ, STPVQ_BODY)
    L(LDL_W)
        : LITERAL(32, ZX) L(LDL_X)
        : LITERAL(64, ZX) L(LDL_SW)
        : LITERAL(32, SW_X) L(LDL_VS)
        : LITERAL_V(32) L(LDL_VD) : LITERAL_V(64) L(LDL_VQ) :
    {
        uint64_t va, v0, v1;

        NEED_FP;
        va = PC() + IMM;
        LOAD2(64, va, v0, v1);
        cpu->v[op->rd] = (union a64_vreg){.d = {v0, v1}};
        NEXT;
    }
    L(LDTRB)
        : UNPRIV_LOAD(8) L(LDTRH)
        : UNPRIV_LOAD(16) L(LDTR_W)
        : UNPRIV_LOAD(32) L(LDTR_X)
        : UNPRIV_LOAD(64) L(STTRB)
        : UNPRIV_STORE(8) L(STTRH)
        : UNPRIV_STORE(16) L(STTR_W)
        : UNPRIV_STORE(32) L(STTR_X)
        : UNPRIV_STORE(64) L(LDARB)
        : ACQUIRE(8) L(LDARH)
        : ACQUIRE(16) L(LDAR_W)
        : ACQUIRE(32) L(LDAR_X)
        : ACQUIRE(64) L(STLRB)
        : RELEASE(8) L(STLRH)
        : RELEASE(16) L(STLR_W) : RELEASE(32) L(STLR_X) : RELEASE(64)
}

void a64_interp(struct a64_cpu *cpu)
{
    interp(cpu);
}

void a64_interp_init(void)
{
    interp(NULL);
}
