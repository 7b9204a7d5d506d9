/*
 * One AArch64 processor: its architectural state, its soft TLB, and the
 * functions the engine's files offer each other.
 *
 * Who may touch it: the vCPU's own thread, except for the members under
 * "shared", which say so. Everything is plain memory: flags, registers and
 * pstate are always current, there is nothing to synchronise before looking.
 * Only `pc` lags while the interpreter runs straight code; it is current
 * whenever a function declared here is called, unless that function says
 * otherwise.
 *
 * Section names in brackets, like [D1.10], are those of the Arm Architecture
 * Reference Manual for A-profile, DDI 0487.
 */
#ifndef LULL_A64_CPU_H
#define LULL_A64_CPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lull/bits.h"
#include "op.h"
#include "wake.h"

struct a64_vm;
struct a64_code_page;

/* ---- registers ---- */

enum { A64_ZR = 31, A64_SP = 32, A64_TRASH = 33, A64_NR_X = 34 };

/* Both halves in one host register: what reads all 16 bytes right after does
 * not wait for two stores to settle. */
typedef uint64_t a64_pair __attribute__((vector_size(16)));

union a64_vreg {
    a64_pair pair;
    uint64_t d[2];
    uint32_t s[4];
    uint16_t h[8];
    uint8_t b[16];
    double f64[2];
    float f32[4];
} __attribute__((aligned(16)));

/* System registers that are plain storage, named as the manual names them.
 * sysreg.c owns the list; others read what they need. */
struct a64_sys {
    uint64_t midr_el1, mpidr_el1;
    /* ID registers as hv_vcpu_set_sys_reg may rewrite them: what the guest
     * reads, not what the engine does */
    uint64_t id_aa64pfr0_el1, id_aa64pfr1_el1, id_aa64pfr2_el1;
    uint64_t id_aa64zfr0_el1, id_aa64smfr0_el1;
    uint64_t id_aa64dfr0_el1, id_aa64dfr1_el1;
    uint64_t id_aa64isar0_el1, id_aa64isar1_el1, id_aa64isar2_el1;
    uint64_t id_aa64mmfr0_el1, id_aa64mmfr1_el1, id_aa64mmfr2_el1;
    uint64_t id_aa64mmfr3_el1, id_aa64mmfr4_el1;

    uint64_t sctlr_el1, actlr_el1, cpacr_el1;
    uint64_t ttbr0_el1, ttbr1_el1, tcr_el1, mair_el1, amair_el1;
    uint64_t contextidr_el1;
    uint64_t vbar_el1, spsr_el1, elr_el1, esr_el1, far_el1;
    uint64_t afsr0_el1, afsr1_el1, par_el1;
    uint64_t tpidr_el1, tpidr_el0, tpidrro_el0;
    uint64_t scxtnum_el1, scxtnum_el0;
    uint64_t csselr_el1;
    uint64_t cntkctl_el1;
    uint64_t apkey[10]; /* APIAKEYLO, HI, APIB, APDA, APDB, APGA */
    uint64_t mdscr_el1, mdccint_el1;
    uint64_t dbgbvr[16], dbgbcr[16], dbgwvr[16], dbgwcr[16];
    uint64_t smpri_el1, smcr_el1, tpidr2_el0;
};

/* ---- soft TLB ---- */

/*
 * Direct mapped, indexed by VA<21:12>. A tag is the page's address with a
 * context number in its low 12 bits; an invalid tag is A64_TLB_INVALID, whose
 * low bits are no context. The fast path of an access of `size` bytes is
 *
 *     e = &cpu->tlb[(va >> 12) & (A64_TLB_SIZE - 1)];
 *     if ((((va + size - 1) & ~0xfffULL) | cpu->ctx[va >> 63]) == e->rtag)
 *         hit: the host address is va + e->addend
 *
 * so an unaligned access within a page hits and one that leaves it does not.
 *
 * Only ordinary RAM that needs no check at all is entered: not MMIO, not a
 * page with a Device memory type when alignment matters, nothing while
 * watchpoints, SCTLR_EL1.A or a misaligned SP ask for a look at every access
 * (cpu->ctx is then a number that no entry has). wtag is valid only when a
 * store needs nothing more (the dirty state is already set).
 */
struct a64_tlb_entry {
    uint64_t rtag, wtag;
    uint64_t addend; /* host address minus VA */
    uint64_t unused;
};

enum { A64_TLB_SIZE = 1024 };
#define A64_TLB_INVALID UINT64_MAX

/* Where the fetch path finds a virtual page's decoded code. */
struct a64_fetch_entry {
    uint64_t tag; /* page address | context, as above */
    struct a64_code_page *page;
};

enum { A64_FETCH_SIZE = 512 };

/*
 * Context numbers: bits 1..0 are the regime below, the rest an ASID slot.
 * ctx[0] is for VA<63>=0, ctx[1] for VA<63>=1. Owner: tlb.c.
 */
enum a64_regime {
    A64_REGIME_EL0,
    A64_REGIME_EL1,     /* PSTATE.PAN clear */
    A64_REGIME_EL1_PAN, /* PSTATE.PAN set */
    A64_REGIMES
};

/* ---- exits ---- */

struct a64_exit {
    uint32_t reason; /* HV_EXIT_REASON_... */
    uint64_t syndrome, va, ipa;
};

/* ---- shared words ---- */

/* Requests: bits of a64_cpu.req, set by any thread (fetch_or, release), taken
 * by the vCPU's thread in a64_poll (acquire). The interpreter looks every
 * A64_POLL_BRANCHES taken branches, and before the first instruction. */
enum {
    A64_REQ_CANCEL = 1u << 0, /* hv_vcpus_exit: sticky until reported */
    A64_REQ_SYNC = 1u << 1,   /* TLB or code invalidations are posted */
    A64_REQ_LOOK = 1u << 2,   /* own thread: re-evaluate timer and lines */
};

enum { A64_POLL_BRANCHES = 256 };

struct a64_cpu {
    /* hot: the interpreter's own */
    uint64_t x[A64_NR_X];
    uint64_t fn;    /* PSTATE.N is bit 63 */
    uint64_t fz;    /* PSTATE.Z is fz == 0 */
    uint8_t fc, fv; /* PSTATE.C, PSTATE.V: 0 or 1 */
    uint8_t el;     /* 0 or 1 */
    bool fp_on;     /* CPACR_EL1 lets this EL use FP and SIMD */
    bool debug_on;  /* stepping, or breakpoints armed: see debug.c */
    uint8_t spsel, daif /* PSTATE.DAIF, bits 3..0 */, pan;
    uint8_t ss, il, ssbs;
    bool recording; /* wake.c: jumps are noted */
    uint64_t ctx[2];
    uint64_t pc;
    uint64_t page_va;        /* of the code page being run */
    struct a64_op *page_ops; /* its operations */
    /* exclusive monitor: a host address, what was there, how much */
    void *excl_host; /* NULL: open */
    uint64_t excl_value[2];
    uint32_t excl_size;
    bool event; /* WFE's event register */

    union a64_vreg v[32];
    uint32_t fpcr;
    uint32_t fpsr;     /* less what the host's FP unit still holds: fp_env.c */
    bool fp_live;      /* between a64_fp_enter and a64_fp_leave */
    uint64_t fp_saved; /* the host's FP control, to be put back */

    struct a64_sys sys;
    uint64_t sp_el[2]; /* the SP that is not in x[A64_SP] */

    /* lines and timer, as the API set them */
    bool irq_line, fiq_line, serror_line;
    bool vtimer_mask;
    uint64_t vtimer_offset;
    uint64_t cntv_cval;
    uint32_t cntv_ctl; /* ENABLE and IMASK; ISTATUS is computed */
    bool vtimer_armed; /* could raise an exit: enabled, neither masked */
    bool trap_debug_exceptions, trap_debug_regs;
    bool watchpoints_on;
    uint8_t step;       /* debug.c: what the last step saw */
    uint32_t cpsr_rest; /* pstate.c: CPSR as written, where not modelled */
    uint32_t wfe_count; /* wait.c: waits in a row, and the last one's time */
    uint64_t wfe_ticks, sev_seen;

    struct a64_exit exit;
    uint64_t exec_ticks;
    /* The host's clock when a64_run was called, and returned; its caller's. */
    uint64_t entered_ticks, left_ticks;
    uint32_t poll_left;     /* interpreter's budget, saved across calls */
    uint64_t native_buf[4]; /* data of a native region's slow access */
    uint32_t native_draws;  /* samples since the guest was entered */
    uint32_t cold; /* taken branches until compiled code is used again */

    /* private to tlb.c */
    uint64_t ctx_of[2][A64_REGIMES]; /* [va<63>][regime] for this ASID */
    uint64_t ctx_unpriv[2];          /* LDTR and STTR: ctx of the EL0 regime */
    struct a64_tlb_state *tlb_state;

    struct a64_vm *vm;
    unsigned id;
    struct a64_code_page *step_page; /* debug.c and code.c */

    /* statistics, own thread writes, anyone reads (relaxed) */
    _Atomic uint64_t undefined_count, tlb_fills, tlb_flushes;

    /* shared */
    _Alignas(64) _Atomic uint32_t req;
    /* tlb.c: 1 while in the guest; the protocol is written there */
    _Atomic uint32_t in_guest;
    _Atomic uint64_t sync_done; /* highest broadcast served; tlb.c */

    _Alignas(64) struct a64_tlb_entry tlb[A64_TLB_SIZE];
    struct a64_fetch_entry fetch[A64_FETCH_SIZE];
    struct a64_wake wake;
};

/* ---- flags and PSTATE (here, inline) ---- */

static inline uint32_t a64_nzcv(const struct a64_cpu *cpu)
{
    return (uint32_t)(cpu->fn >> 63) << 31 | (uint32_t)(cpu->fz == 0) << 30 |
           (uint32_t)cpu->fc << 29 | (uint32_t)cpu->fv << 28;
}

static inline void a64_set_nzcv(struct a64_cpu *cpu, uint32_t nzcv)
{
    cpu->fn = (uint64_t)(nzcv >> 31 & 1) << 63;
    cpu->fz = !(nzcv >> 30 & 1);
    cpu->fc = nzcv >> 29 & 1;
    cpu->fv = nzcv >> 28 & 1;
}

/* ---- run.c: entry and the slow side of the loop (interp.c runs it) ---- */

/*
 * Run the guest until it exits; cpu->exit says why. Enters and leaves the
 * in_guest protocol (a64_guest_enter, a64_guest_leave) itself.
 */
void a64_run(struct a64_cpu *cpu);
/* Look at requests, timer, lines. cpu->pc is the next instruction. */
enum a64_next a64_poll(struct a64_cpu *cpu);

/* ---- decode.c, interp.c, code.c ---- */

/* Instructions after which the interpreter must call a64_poll at once set
 * cpu->poll_left to 1; see a64_look. */
static inline void a64_look(struct a64_cpu *cpu)
{
    atomic_fetch_or_explicit(&cpu->req, A64_REQ_LOOK, memory_order_relaxed);
    if (cpu->cold != 0 && cpu->poll_left > 1)
        cpu->cold += cpu->poll_left - 1; /* given back: a64_poll counts them */
    cpu->poll_left = 1;
}

/* ISS<24:14> (ISV, SAS, SSE, SRT, SF, AR) of the load or store at cpu->pc;
 * 0 (ISV clear) for the forms that have none. ldst.c. */
uint32_t a64_abort_iss(struct a64_cpu *cpu);

/* Forget decoded code: of guest physical [ipa, ipa + len), of everything.
 * Callable on a vCPU's thread in guest context (from SYS) or from any other
 * thread; ordered with other vCPUs by a64_broadcast. code.c. */
void a64_code_invalidate(struct a64_vm *vm, uint64_t ipa, uint64_t len);
void a64_code_invalidate_all(struct a64_vm *vm);
/* The decoded page of the guest physical page at `ipa`, whose contents are at
 * `host`; made when missing. NULL only when the host has no memory. */
struct a64_code_page *a64_code_page(struct a64_cpu *cpu, uint64_t ipa,
                                    const void *host);
/* The guest comes back from a WFI: if it has settled (settle.h), drop what was
 * decoded. On the vCPU's thread, in the guest and out of its code page. */
void a64_code_settle(struct a64_cpu *cpu, uint64_t now_ns);

/* At vCPU destruction. */
void a64_code_step_free(struct a64_cpu *cpu);

/* ---- fp (fp_decode.c and friends) ---- */

/*
 * The function for a data-processing FP/SIMD/crypto instruction (bits 28:25
 * are x111), or NULL when the encoding is unallocated or a feature that the
 * ID registers do not show. Loads and stores are not here.
 */
a64_fn *a64_fp_decode(uint32_t insn);
/* FPSR as the guest reads it; FPCR and FPSR written by guest or API. */
uint32_t a64_fpsr(struct a64_cpu *cpu);
void a64_set_fpsr(struct a64_cpu *cpu, uint32_t value);
void a64_set_fpcr(struct a64_cpu *cpu, uint32_t value);
/* Around a run: load the host's FP control for this guest, and put it back
 * after folding its flags into cpu->fpsr. */
void a64_fp_enter(struct a64_cpu *cpu);
void a64_fp_leave(struct a64_cpu *cpu);

/* ---- mmu.c: the stage 1 walk [D8] ---- */

enum a64_access { A64_READ, A64_WRITE, A64_EXEC };

struct a64_walk {
    /* success */
    uint64_t ipa;           /* of the byte asked for */
    bool read, write, exec; /* allowed for the regime asked for */
    bool dirty;             /* a write needs no dirty state update any more */
    bool global;
    bool device;        /* Device memory type */
    uint8_t attr;       /* the MAIR byte, for AT and PAR */
    uint8_t sh;         /* shareability, for PAR */
    uint8_t page_shift; /* size of the mapping: 12, 21, 30, ... */
    /* failure */
    uint8_t fsc;         /* IFSC/DFSC with level, for ESR */
    bool stage2;         /* the walk itself hit stage 2: exit with S1PTW */
    uint64_t stage2_ipa; /* address of the descriptor then */
};

/*
 * Translate va for `access` in `regime`, setting the access flag and, for a
 * write, the dirty state when hardware does that here (TCR_EL1.HA, HD). True
 * on success. No exception is raised, nothing is cached.
 */
bool a64_walk(struct a64_cpu *cpu, uint64_t va, enum a64_access access,
              enum a64_regime regime, struct a64_walk *walk);

/* ---- tlb.c: cached translation, data accesses off the fast path, maintenance
 */

enum {
    A64_MEM_UNPRIV = 1,  /* LDTR, STTR: as EL0 */
    A64_MEM_ALIGNED = 2, /* alignment fault unless aligned to its size */
    A64_MEM_SP = 4,      /* base register was SP: check SP alignment */
};

/*
 * Data access of `size` bytes (1..64) at va, at the current EL: any alignment,
 * page-crossing, MMIO, watchpoints. A64_NEXT when done. Otherwise an exception
 * was raised (A64_REDIRECT) or the VMM is needed (A64_EXIT); then nothing was
 * stored, nothing loaded. Sizes 1, 2, 4, 8 (16) are single copies when
 * aligned. Larger sizes are bytes.
 */
enum a64_next a64_load(struct a64_cpu *cpu, uint64_t va, unsigned size,
                       void *out, unsigned flags);
enum a64_next a64_store(struct a64_cpu *cpu, uint64_t va, unsigned size,
                        const void *in, unsigned flags);
/* Host address for an access within one naturally aligned unit of `size`
 * (exclusives, atomics, DC ZVA): A64_WRITE asks for both permissions. MMIO
 * exits with ISV=0. */
enum a64_next a64_host(struct a64_cpu *cpu, uint64_t va, unsigned size,
                       enum a64_access access, unsigned flags, void **host);

/* Fetch: the decoded page that holds cpu->pc, entered in cpu->fetch. On
 * A64_NEXT, *page is set. */
enum a64_next a64_fetch(struct a64_cpu *cpu, struct a64_code_page **page);

bool a64_tlb_init(struct a64_cpu *cpu);
void a64_tlb_free(struct a64_cpu *cpu);
/* After a change of EL, PAN, SP<3:0>: pick ctx[] (cheap). */
void a64_tlb_regime(struct a64_cpu *cpu);
/* After a change of SCTLR, TCR, TTBRn, MAIR, MDSCR or watchpoints: recompute
 * context numbers, flush when the change needs it. */
void a64_tlb_control(struct a64_cpu *cpu);
/* This vCPU's entries only. */
void a64_tlb_flush(struct a64_cpu *cpu);

/*
 * SYS instructions: TLBI, IC, DC, AT. `insn` gives op1, CRn, CRm, op2; `value`
 * is Xt. EL checks (UCI and so on) are the caller's (sysreg.c).
 */
enum a64_next a64_tlbi(struct a64_cpu *cpu, uint32_t insn, uint64_t value);
enum a64_next a64_cache_op(struct a64_cpu *cpu, uint32_t insn, uint64_t value);
enum a64_next a64_at(struct a64_cpu *cpu, uint32_t insn, uint64_t value);
/* DSB: a full fence; waits until every vCPU in the guest has served the
 * broadcasts this vCPU posted. True when it served others' meanwhile: then the
 * code page being run may be gone, and the caller must fetch anew. */
bool a64_dsb(struct a64_cpu *cpu);

/* The guest/outside protocol that broadcasts rely on. */
void a64_guest_enter(struct a64_cpu *cpu);
void a64_guest_leave(struct a64_cpu *cpu);
/* Serve posted invalidations (a64_poll calls it for A64_REQ_SYNC, which this
 * clears). The caller must fetch anew. */
void a64_sync_serve(struct a64_cpu *cpu);
/* From any thread that is not in the guest: every vCPU drops all translations
 * and leaves every code page before this returns. Used after hv_vm_unmap and
 * hv_vm_protect. */
void a64_broadcast_all(struct a64_vm *vm);

/* ---- exception.c [D1] ---- */

/* Exception classes, ESR_ELx.EC */
enum a64_ec {
    A64_EC_UNKNOWN = 0x00,
    A64_EC_WFX = 0x01,
    A64_EC_FP = 0x07,
    A64_EC_ILLEGAL = 0x0e,
    A64_EC_SVC = 0x15,
    A64_EC_HVC = 0x16,
    A64_EC_SMC = 0x17,
    A64_EC_SYSREG = 0x18,
    A64_EC_IABT_LOWER = 0x20,
    A64_EC_IABT = 0x21,
    A64_EC_PC_ALIGN = 0x22,
    A64_EC_DABT_LOWER = 0x24,
    A64_EC_DABT = 0x25,
    A64_EC_SP_ALIGN = 0x26,
    A64_EC_BREAK_LOWER = 0x30,
    A64_EC_STEP_LOWER = 0x32,
    A64_EC_WATCH_LOWER = 0x34,
    A64_EC_BRK = 0x3c,
};

/*
 * Take a synchronous exception to EL1. cpu->pc is the preferred return address
 * (the caller has moved it behind SVC). `ec` is the lower-EL class where two
 * exist; the right one is chosen here. far is stored only for the classes that
 * have one. Always returns A64_REDIRECT.
 */
enum a64_next a64_exception(struct a64_cpu *cpu, unsigned ec, uint32_t iss,
                            uint64_t far);
/* UNDEF: counted, EC 0. */
enum a64_next a64_undefined(struct a64_cpu *cpu);
/* Take the pending, unmasked interrupt if there is one. */
enum a64_next a64_take_interrupt(struct a64_cpu *cpu);
/* Fill cpu->exit for the VMM; always A64_EXIT. */
enum a64_next a64_exit_to_vmm(struct a64_cpu *cpu, unsigned ec, uint32_t iss,
                              uint64_t va, uint64_t ipa);
enum a64_next a64_eret(struct a64_cpu *cpu, uint32_t insn);
enum a64_next a64_svc(struct a64_cpu *cpu, uint32_t insn);
enum a64_next a64_hvc(struct a64_cpu *cpu, uint32_t insn);
enum a64_next a64_smc(struct a64_cpu *cpu, uint32_t insn);
enum a64_next a64_brk(struct a64_cpu *cpu, uint32_t insn);
enum a64_next a64_wfi(struct a64_cpu *cpu, uint32_t insn);
enum a64_next a64_wfe(struct a64_cpu *cpu, uint32_t insn);

uint32_t a64_cpsr(const struct a64_cpu *cpu);
/* From the API: any pattern reads back as written (kept beside). */
void a64_set_cpsr(struct a64_cpu *cpu, uint32_t cpsr);
/* SP_EL0 and SP_EL1, whichever is current. */
uint64_t a64_sp(const struct a64_cpu *cpu, unsigned el);
void a64_set_sp(struct a64_cpu *cpu, unsigned el, uint64_t value);
/* After a change of EL, PAN, CPACR, MDSCR...: fp_on, debug_on, ctx. */
void a64_mode_changed(struct a64_cpu *cpu);

/* ---- sysreg.c, vtimer.c ---- */

/* MRS, MSR (register and immediate), SYS, SYSL and the barriers and hints that
 * are not handled in the interpreter: system instructions, insn<31:22> =
 * 1101010100. */
enum a64_next a64_system(struct a64_cpu *cpu, uint32_t insn);
/*
 * True when the MRS or MSR of a register named by `insn` needs nothing but a
 * load or store of the 8 bytes at *offset in struct a64_cpu, once the current
 * EL is at least *min_el. The decoder asks, once per instruction.
 */
bool a64_sysreg_plain(uint32_t insn, bool write, unsigned *offset,
                      unsigned *min_el);
/* The API's view of a register by its 16-bit encoding (hv_sys_reg_t); false
 * when the encoding is not one of the API's. */
bool a64_sysreg_get(struct a64_cpu *cpu, uint16_t reg, uint64_t *value);
bool a64_sysreg_set(struct a64_cpu *cpu, uint16_t reg, uint64_t value);
/* Power-on state: section 4.5 of hypervisor-api.md. */
void a64_reset(struct a64_cpu *cpu);
/* The features the engine has, as ID register values (hv_feature_reg_t). */
bool a64_feature_reg(unsigned feature_reg, uint64_t *value);

/* The guest's counter: mach_absolute_time less the offset, 24 MHz. */
uint64_t a64_counter(const struct a64_cpu *cpu);
/* CNTV_CTL with ISTATUS. */
uint32_t a64_vtimer_ctl(const struct a64_cpu *cpu);
/* After any change of CTL, CVAL, offset, mask: vtimer_armed, and a look. */
void a64_vtimer_changed(struct a64_cpu *cpu);
/* Armed and due now: the run must end with VTIMER_ACTIVATED. */
bool a64_vtimer_due(const struct a64_cpu *cpu);

/* ---- debug.c [D2] ---- */

/* Recompute debug_on and watchpoints_on. */
void a64_debug_changed(struct a64_cpu *cpu);
/* cpu->debug_on: called before the instruction at cpu->pc is run. A64_NEXT:
 * run just that one, then call a64_debug_after; else as it says. */
enum a64_next a64_debug_before(struct a64_cpu *cpu);
enum a64_next a64_debug_after(struct a64_cpu *cpu);
/* A data access is about to happen, as if made at `el` (LDTR and STTR: EL0);
 * A64_NEXT when no watchpoint matches. */
enum a64_next a64_watchpoint(struct a64_cpu *cpu, uint64_t va, unsigned size,
                             bool write, unsigned el);

/* ---- the VM (vm.c) ---- */

enum { A64_MAX_CPUS = 64 };

struct a64_stage2; /* stage2.h */

struct a64_vm {
    struct a64_stage2 *stage2;
    /* set at create, cleared at destroy, both under `lock`; read by
     * broadcasts (acquire) */
    _Atomic(struct a64_cpu *) cpu[A64_MAX_CPUS];
    struct a64_code_cache *code; /* code.c */
    struct a64_sync *sync;       /* tlb.c: broadcasts posted */
    _Atomic uint64_t sev_count;  /* wait.c: SEV, by any vCPU */
};

bool a64_code_init(struct a64_vm *vm);
void a64_code_free(struct a64_vm *vm);
bool a64_sync_init(struct a64_vm *vm);
void a64_sync_free(struct a64_vm *vm);

#endif
