/*
 * Running a case here and there, and comparing.
 */
#include "sides.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "el0.h"

struct mutant mutant;
struct oracle_case *reference_cases;

/* ---- here ---- */

static void put_word(uint64_t at, uint32_t word)
{
    memcpy(code + (at - ORACLE_CODE), &word, 4);
}

enum { SVC = 0xd4000001, CLREX = 0xd5033f5f };

void here_set_up(void)
{
    uint64_t sctlr;

    el0_set_up(ORACLE_DATA_BYTES);
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_SCTLR_EL1, &sctlr));
    /* as Linux has it: DC ZVA, CTR and cache maintenance at EL0 */
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SCTLR_EL1,
                           sctlr | 1 << 14 | 1 << 15 | 1 << 26));
    for (unsigned i = 0; i < 256; i++)
        code[ORACLE_LITERALS - ORACLE_CODE + i] = oracle_literal(i);
    put_word(ORACLE_SLOT - 4, CLREX);
    put_word(ORACLE_BACK, SVC);
    put_word(ORACLE_FAR, SVC);
}

static void load_state(const struct oracle_case *c)
{
    hv_simd_fp_uchar16_t q;

    for (unsigned i = 0; i < 31; i++)
        HV(hv_vcpu_set_reg(vcpu, HV_REG_X0 + i, c->x[i]));
    for (unsigned i = 0; i < 32; i++) {
        memcpy(&q, c->v[i], 16);
        HV(hv_vcpu_set_simd_fp_reg(vcpu, HV_SIMD_FP_REG_Q0 + i, q));
    }
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SP_EL0, c->sp));
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TPIDR_EL0, ORACLE_TPIDR));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, c->nzcv));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_FPCR, c->fpcr));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_FPSR, c->fpsr));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_PC, ORACLE_SLOT - 4));
}

static void save_state(struct oracle_case *c)
{
    hv_simd_fp_uchar16_t q;

    for (unsigned i = 0; i < 31; i++)
        HV(hv_vcpu_get_reg(vcpu, HV_REG_X0 + i, &c->x[i]));
    for (unsigned i = 0; i < 32; i++) {
        HV(hv_vcpu_get_simd_fp_reg(vcpu, HV_SIMD_FP_REG_Q0 + i, &q));
        memcpy(c->v[i], &q, 16);
    }
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_SP_EL0, &c->sp));
    c->nzcv &= 0xf0000000;
    HV(hv_vcpu_get_reg(vcpu, HV_REG_FPCR, &c->fpcr));
    HV(hv_vcpu_get_reg(vcpu, HV_REG_FPSR, &c->fpsr));
    memcpy(c->data, data + (ORACLE_WINDOW - ORACLE_DATA), ORACLE_WINDOW_BYTES);
}

static void save_stop(struct oracle_case *c)
{
    uint64_t esr;

    if (vexit->exception.syndrome >> 26 == 0x24) {
        /* no memory there: the VMM's to answer, a fault to the program */
        c->fault = ORACLE_ABORT;
        HV(hv_vcpu_get_reg(vcpu, HV_REG_PC, &c->pc));
        HV(hv_vcpu_get_reg(vcpu, HV_REG_CPSR, &c->nzcv));
        return;
    }
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_SPSR_EL1, &c->nzcv));
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_ESR_EL1, &esr));
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_ELR_EL1, &c->pc));
    switch (esr >> 26) {
    case 0x15:
        c->fault = ORACLE_ENDED;
        c->pc -= 4;
        break;
    case 0x00:
    case 0x18:
        c->fault = ORACLE_UNDEFINED;
        break;
    case 0x3c:
        c->fault = ORACLE_BREAK;
        break;
    default:
        c->fault = ORACLE_ABORT;
    }
}

void here_run(struct oracle_case *c)
{
    memcpy(data + (ORACLE_WINDOW - ORACLE_DATA), c->data, ORACLE_WINDOW_BYTES);
    memset(data + ORACLE_DATA_BYTES - ORACLE_TAIL_BYTES, 0xff,
           ORACLE_TAIL_BYTES);
    for (unsigned i = 0; i < c->words; i++) {
        uint32_t word = c->word[i];

        if ((word & mutant.mask) == mutant.value)
            word ^= mutant.flip;
        put_word(ORACLE_SLOT + 4 * i, word);
    }
    put_word(ORACLE_SLOT + 4 * c->words, SVC);
    put_word(ORACLE_SLOT + 4 * c->words + 4, SVC);
    el0_sync_code();
    load_state(c);
    HV(hv_vcpu_run(vcpu));
    if (vexit->reason != HV_EXIT_REASON_EXCEPTION ||
        (vexit->exception.syndrome >> 26 != 0x16 &&
         vexit->exception.syndrome >> 26 != 0x24)) {
        c->fault = ORACLE_LOST;
        c->pc = vexit->exception.syndrome;
        return;
    }
    save_stop(c);
    save_state(c);
}

void here_tear_down(void)
{
    hv_vcpu_destroy(vcpu);
    hv_vm_destroy();
}

/* ---- there ---- */

static pid_t reference_pid;
static int to_reference, from_reference;
static char reference_path[] = "/tmp/lull-oracle-XXXXXX";

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void map_reference_cases(void)
{
    size_t bytes = SIDES_BATCH * sizeof(*reference_cases);
    int fd = mkstemp(reference_path);

    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
        fail(reference_path);
    reference_cases =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (reference_cases == MAP_FAILED)
        fail(reference_path);
    close(fd);
}

/*
 * neoverse-n1 has what we promise, the random numbers apart, and little that
 * we do not; its DC ZVA blocks are of our size.
 */
int reference_start(const char *runner)
{
    int down[2], up[2];

    if (system("command -v qemu-aarch64 >/dev/null") != 0) {
        printf("qemu-aarch64 is not installed (Debian: qemu-user): skipped\n");
        return 77;
    }
    signal(SIGPIPE, SIG_IGN);
    map_reference_cases();
    if (pipe(down) != 0 || pipe(up) != 0)
        fail("pipe");
    reference_pid = fork();
    if (reference_pid < 0)
        fail("fork");
    if (reference_pid == 0) {
        dup2(down[0], 0);
        dup2(up[1], 1);
        for (unsigned i = 0; i < 2; i++) {
            close(down[i]);
            close(up[i]);
        }
        execlp("qemu-aarch64", "qemu-aarch64", "-cpu", "neoverse-n1", runner,
               reference_path, (char *)NULL);
        _exit(126);
    }
    close(down[0]);
    close(up[1]);
    to_reference = down[1];
    from_reference = up[0];
    return 0;
}

void reference_run(uint32_t count)
{
    char done;

    if (write(to_reference, &count, sizeof(count)) != sizeof(count) ||
        read(from_reference, &done, 1) != 1) {
        fprintf(stderr, "the reference run failed\n");
        reference_stop();
        exit(1);
    }
}

void reference_stop(void)
{
    close(to_reference);
    close(from_reference);
    waitpid(reference_pid, NULL, 0);
    unlink(reference_path);
}

struct oracle_case reference_one(const struct oracle_case *in)
{
    reference_cases[0] = *in;
    reference_run(1);
    return reference_cases[0];
}

/* ---- comparing ---- */

int outcomes_equal(const struct oracle_case *ref, const struct oracle_case *our)
{
    return ref->fault == our->fault && ref->pc == our->pc &&
           memcmp(ref->x, our->x, sizeof(ref->x)) == 0 && ref->sp == our->sp &&
           ref->nzcv == our->nzcv && ref->fpcr == our->fpcr &&
           ref->fpsr == our->fpsr &&
           memcmp(ref->v, our->v, sizeof(ref->v)) == 0 &&
           memcmp(ref->data, our->data, sizeof(ref->data)) == 0;
}

int is_beyond_promise(const struct oracle_case *ref,
                      const struct oracle_case *our)
{
    return our->fault == ORACLE_UNDEFINED &&
           !(ref->fault == ORACLE_UNDEFINED && ref->pc == our->pc);
}

static void show(FILE *out, const char *name, uint64_t was, uint64_t ref,
                 uint64_t our)
{
    if (ref != our)
        fprintf(out, "  %s: was %llx, reference %llx, here %llx\n", name,
                (unsigned long long)was, (unsigned long long)ref,
                (unsigned long long)our);
}

void report_difference(FILE *out, const struct oracle_case *in,
                       const struct oracle_case *ref,
                       const struct oracle_case *our)
{
    unsigned shown = 0;
    char name[16];

    fprintf(out, "difference:");
    for (unsigned i = 0; i < in->words; i++)
        fprintf(out, " %08x", in->word[i]);
    fprintf(out, "\n");
    show(out, "fault", 0, ref->fault, our->fault);
    show(out, "pc", ORACLE_SLOT, ref->pc, our->pc);
    for (unsigned i = 0; i < 31; i++) {
        snprintf(name, sizeof(name), "x%u", i);
        show(out, name, in->x[i], ref->x[i], our->x[i]);
    }
    show(out, "sp", in->sp, ref->sp, our->sp);
    show(out, "nzcv", in->nzcv, ref->nzcv, our->nzcv);
    show(out, "fpcr", in->fpcr, ref->fpcr, our->fpcr);
    show(out, "fpsr", in->fpsr, ref->fpsr, our->fpsr);
    for (unsigned i = 0; i < 32; i++)
        for (unsigned half = 0; half < 2; half++) {
            uint64_t v[3];

            memcpy(&v[0], in->v[i] + 8 * half, 8);
            memcpy(&v[1], ref->v[i] + 8 * half, 8);
            memcpy(&v[2], our->v[i] + 8 * half, 8);
            snprintf(name, sizeof(name), "v%u.d[%u]", i, half);
            show(out, name, v[0], v[1], v[2]);
        }
    for (unsigned i = 0; i < ORACLE_WINDOW_BYTES && shown < 4; i++)
        if (ref->data[i] != our->data[i]) {
            snprintf(name, sizeof(name), "%x", ORACLE_WINDOW + i);
            show(out, name, in->data[i], ref->data[i], our->data[i]);
            shown++;
        }
}
