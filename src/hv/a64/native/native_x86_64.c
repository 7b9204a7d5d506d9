/*
 * Hot regions as x86-64 code.
 *
 * A region is compiled in one pass over its operations. The guest registers it
 * uses most live in host registers from entry to exit, the same ones
 * throughout, so that every label inside sees the same state; they are loaded
 * at the entry and written back wherever the region is left. RAX, RCX and RDX
 * are for the operation at hand; RBX is the vCPU.
 *
 * Flags are stored where the interpreter keeps them by each operation that
 * sets them. An operation right behind it finds them in the host's flags as
 * well, which is what a compare and its branch need.
 *
 * Guest memory goes through the soft TLB, as in interp.c; a miss leaves the
 * straight code for a stub that writes back, calls tlb.c and comes back or
 * leaves the region. Loads and stores are plain host ones: the host's memory
 * order is stronger than the guest's, and barriers are not reordered.
 *
 * The branch that closes a loop counts the budget down, as every taken branch
 * of the interpreter does; so does every exit. So a vCPU in native code looks
 * at requests and its timer as often as one that is interpreted.
 *
 * The memory is filled from front to back. When the last page that has regions
 * is gone, it is empty again, and goes back to the host.
 */
#include "x86_64.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    ARENA_BYTES = 16 << 20,
    /* Below this, entering and leaving cost more than is gained, unless the
     * region loops. */
    MIN_OPS = 4,
    HOT = 3, /* draws; one is 256 taken branches on average */
    /* Draws before the first that counts in a stay in the guest: a tick of an
     * idle guest is shorter, and code that runs a few times a second is
     * cheaper interpreted, being smaller, than compiled and cold. */
    WARM = 4,
    NEVER = 255,
    REGION_BYTES = 64 << 10,
};

/* Two views of the same memory: one to write, one to run. */
struct arena {
    uint8_t *write, *run;
    size_t used; /* emit_chain's code comes first, up to `shared` */
    size_t shared;
    unsigned regions; /* on pages that still exist */
    bool reusable;    /* the host can make all threads see new code */
    pthread_mutex_t lock;
};

static struct arena arena = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the frame, and what all regions share ---- */

static const uint8_t saved[] = {RBX, RBP, R12, R13, R14, R15};

/* Every region begins with the same bytes, so that one region can go on in
 * another behind them: at CHAIN_ENTRY. */
enum { CHAIN_ENTRY = 20 };

static void prologue(struct emit *e)
{
    for (unsigned i = 0; i < sizeof(saved); i++)
        push(e, saved[i]);
    alu_ri(e, true, ALU_SUB, RSP, 8); /* 16-byte alignment for calls */
    mov_rr(e, true, RBX, RDI);
}

static void epilogue(struct emit *e)
{
    alu_ri(e, true, ALU_ADD, RSP, 8);
    for (unsigned i = sizeof(saved); i-- > 0;)
        pop(e, saved[i]);
    emit8(e, 0xc3);
}

/*
 * Where regions go that leave for an address: RAX is that address, in cpu->pc
 * too, and all registers are written back. What interp.c does at `jump`, for
 * the case that the target is compiled: count the branch, find the page, go
 * on in its region. Everything else is left to interp.c.
 */
static void emit_chain(struct emit *e)
{
    const int32_t tag = (int32_t)offsetof(struct a64_fetch_entry, tag);
    const int32_t page = (int32_t)offsetof(struct a64_fetch_entry, page);
    uint8_t *give_up[5];

    op_rm(e, false, 0x83, 5, RBX, AT(poll_left));
    emit8(e, 1);
    give_up[0] = jcc(e, CC_LE);
    emit8(e, 0xa8); /* test al, 3 */
    emit8(e, 3);
    give_up[1] = jcc(e, CC_NE);
    mov_rr(e, true, RCX, RAX);
    shift_ri(e, true, SH_SHR, RCX, 63);
    mov_rr(e, true, RDX, RAX);
    alu_ri(e, true, ALU_AND, RDX, -4096);
    mov_rr(e, true, RSI, RDX);
    op_rx(e, true, 0x0b, RDX, RBX, RCX, 3, AT(ctx));
    mov_rr(e, false, RCX, RAX);
    shift_ri(e, false, SH_SHR, RCX, 8);
    alu_ri(e, false, ALU_AND, RCX, (A64_FETCH_SIZE - 1) << 4);
    op_rx(e, true, 0x3b, RDX, RBX, RCX, 0, AT(fetch) + tag);
    give_up[2] = jcc(e, CC_NE);
    op_rx(e, true, 0x8b, RDI, RBX, RCX, 0, AT(fetch) + page);
    op_rm(e, true, 0x8b, RDX, RDI,
          (int32_t)offsetof(struct a64_code_page, native));
    op_rr(e, true, 0x85, RDX, RDX);
    give_up[3] = jcc(e, CC_E);
    mov_rr(e, false, RCX, RAX);
    shift_ri(e, false, SH_SHR, RCX, 2);
    alu_ri(e, false, ALU_AND, RCX, A64_PAGE_OPS - 1);
    op_rx(e, true, 0x8b, RCX, RDX, RCX, 3,
          (int32_t)offsetof(struct a64_native, entry));
    op_rr(e, true, 0x85, RCX, RCX);
    give_up[4] = jcc(e, CC_E);
    op_rm(e, true, 0x89, RSI, RBX, AT(page_va));
    op_rm(e, true, 0x89, RDI, RBX, AT(page_ops));
    alu_ri(e, true, ALU_ADD, RCX, CHAIN_ENTRY);
    emit8(e, 0xff); /* jmp rcx */
    emit8(e, 0xe1);
    for (unsigned i = 0; i < 5; i++)
        patch(e, give_up[i], e->at);
    mov_ri(e, RAX, (uintptr_t)A64_NATIVE_JUMP);
    epilogue(e);
}

_Static_assert(sizeof(struct a64_fetch_entry) == 16 &&
                   offsetof(struct a64_code_page, op) == 0,
               "emit_chain indexes the one and takes the other for its page");

/* ---- host memory ---- */

bool a64_native_init(struct a64_vm *vm)
{
    const char *wish = getenv("LULL_NATIVE");
    int fd;

    if (arena.write != NULL)
        return true;
    if (wish != NULL && wish[0] == '0')
        return false;
    fd = memfd_create("lull-native", MFD_CLOEXEC);
    if (fd < 0)
        return false;
    if (ftruncate(fd, ARENA_BYTES) == 0) {
        uint8_t *w =
            mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        uint8_t *x =
            mmap(NULL, ARENA_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);

        if (w != MAP_FAILED && x != MAP_FAILED) {
            struct emit e = {.at = w, .end = w + ARENA_BYTES};

            emit_chain(&e);
            arena.write = w;
            arena.run = x;
            arena.shared = (size_t)(e.at - w + 15) & ~(size_t)15;
            arena.used = arena.shared;
            arena.reusable =
                syscall(SYS_membarrier,
                        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0,
                        0) == 0;
        } else {
            if (w != MAP_FAILED)
                munmap(w, ARENA_BYTES);
            if (x != MAP_FAILED)
                munmap(x, ARENA_BYTES);
        }
    }
    close(fd);
    return arena.write != NULL;
}

void a64_native_free(struct a64_vm *vm)
{
    if (arena.write == NULL)
        return;
    munmap(arena.write, ARENA_BYTES);
    munmap(arena.run, ARENA_BYTES);
    arena.write = arena.run = NULL;
}

/*
 * No region exists: begin again behind what they share. A thread may have
 * fetched instructions ahead where others are to be written: each executes a
 * serializing instruction before. The lock is held.
 */
static void empty_arena(void)
{
    size_t kept = (arena.shared + 4095) & ~(size_t)4095;

    if (!arena.reusable ||
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0,
                0) != 0)
        return;
    if (arena.used > kept)
        madvise(arena.write + kept, ARENA_BYTES - kept, MADV_REMOVE);
    arena.used = arena.shared;
}

void a64_native_drop(struct a64_code_page *page)
{
    if (page->native == NULL)
        return;
    pthread_mutex_lock(&arena.lock);
    if (page->native->regions != 0) {
        arena.regions -= page->native->regions;
        if (arena.regions == 0)
            empty_arena();
    }
    pthread_mutex_unlock(&arena.lock);
    free(page->native);
}

size_t a64_native_bytes(void)
{
    size_t bytes;

    pthread_mutex_lock(&arena.lock);
    bytes = arena.used - arena.shared;
    pthread_mutex_unlock(&arena.lock);
    return bytes;
}

/* ---- leaving and staying ---- */

static bool caller_saved(unsigned reg)
{
    for (unsigned i = 0; i < POOL_SAVED; i++)
        if (x86_pool[i] == reg)
            return false;
    return true;
}

void x86_write_back(struct region *r, bool all)
{
    for (unsigned g = 0; g < A64_NR_X; g++)
        if (r->host[g] >= 0 && r->dirty[g] &&
            (all || caller_saved((unsigned)r->host[g])))
            op_rm(&r->e, true, 0x89, (unsigned)r->host[g], RBX, AT_X(g));
}

void x86_reload(struct region *r, bool all)
{
    for (unsigned g = 0; g < A64_NR_X; g++)
        if (r->host[g] >= 0 && (all || caller_saved((unsigned)r->host[g])))
            op_rm(&r->e, true, 0x8b, (unsigned)r->host[g], RBX, AT_X(g));
}

void x86_jump_from(struct region *r, enum jump_kind kind, uint8_t *from,
                   int32_t where)
{
    if (r->jumps == MAX_JUMPS) {
        r->e.full = true;
        return;
    }
    r->jump[r->jumps++] = (struct jump){kind, from, where};
}

/* ---- choosing a region ---- */

/* The name of an operation, from its handler. */
static enum a64_opcode opcode_of(const void *handler)
{
    struct entry {
        const void *handler;
        enum a64_opcode opcode;
    };
    static struct entry table[1024];
    static bool ready;
    size_t i;

    /* under the arena's lock */
    if (!ready) {
        for (unsigned k = 0; k < A64_OPCODES; k++) {
            i = (uintptr_t)a64_handlers[k] * 0x9e3779b97f4a7c15 >> 54;
            while (table[i].handler != NULL)
                i = (i + 1) % 1024;
            table[i] = (struct entry){a64_handlers[k], (enum a64_opcode)k};
        }
        ready = true;
    }
    i = (uintptr_t)handler * 0x9e3779b97f4a7c15 >> 54;
    while (table[i].handler != handler)
        i = (i + 1) % 1024;
    return table[i].opcode;
}

static bool near_branch(enum a64_opcode opcode)
{
    return x86_within(opcode, A64_OP_BC_EQ, 14) || opcode == A64_OP_B_N ||
           x86_within(opcode, A64_OP_CBZ_XN, 6);
}

static bool ends_flow(enum a64_opcode opcode)
{
    return !a64_falls_through(opcode) || opcode == A64_OP_BL ||
           opcode == A64_OP_BL_N || opcode == A64_OP_BLR;
}

/* Operations from `first` on: as far as decoded, and past an unconditional
 * branch only if something before it goes further. */
static void gather(struct region *r)
{
    unsigned furthest = 0;

    for (r->count = 0; r->count < MAX_OPS; r->count++) {
        unsigned slot = r->first + r->count;
        const struct a64_op *op = &r->page->op[slot];
        enum a64_opcode opcode;

        if (slot >= A64_PAGE_OPS)
            break;
        opcode = opcode_of(__atomic_load_n(&op->handler, __ATOMIC_ACQUIRE));
        if (opcode == A64_OP_NATIVE)
            opcode = (enum a64_opcode)r->page->native->opcode[slot];
        if (opcode == A64_OP_DECODE)
            break;
        r->item[r->count] = (struct item){.op = op, .opcode = opcode};
        if (near_branch(opcode)) {
            int32_t target = (int32_t)slot + op->imm - (int32_t)r->first;

            if (target > (int32_t)furthest)
                furthest = (unsigned)target;
            if (target >= 0 && target <= (int32_t)r->count)
                r->loops = true;
        }
        if (ends_flow(opcode) && furthest <= r->count) {
            r->count++;
            break;
        }
    }
}

static void mark_targets(struct region *r)
{
    for (unsigned i = 0; i < r->count; i++)
        if (near_branch(r->item[i].opcode)) {
            int item =
                x86_item_of(r, (int32_t)(r->first + i) + r->item[i].op->imm);

            if (item >= 0)
                r->item[item].target = true;
        }
}

static bool has_rm(enum a64_opcode opcode)
{
    return !(opcode >= A64_OP_MOVI && opcode <= A64_OP_ANDST_X);
}

/* op->rd, and op->ra of a pair, name vector registers. */
static bool names_vector(enum a64_opcode opcode)
{
    return (opcode >= A64_OP_LDR_VB_I && opcode < A64_OP_LDP_W_I) ||
           (opcode >= A64_OP_LDP_VS_I && opcode < A64_OP_LDL_W);
}

/* The most used registers get host ones. A register that any operation names
 * as its first may be written, and so is written back. */
static void allocate(struct region *r)
{
    unsigned uses[256] = {0};

    for (unsigned i = 0; i < r->count; i++) {
        const struct a64_op *op = r->item[i].op;
        enum a64_opcode opcode = r->item[i].opcode;

        if (opcode == A64_OP_FN || opcode == A64_OP_TRAP_FN ||
            opcode == A64_OP_FP_FN || opcode == A64_OP_FP_TRAP_FN ||
            opcode == A64_OP_UNDEF)
            continue; /* these have an instruction word instead */
        if (!names_vector(opcode))
            uses[op->rd]++;
        uses[op->rn]++;
        if (has_rm(opcode))
            uses[op->rm]++;
        if ((opcode >= A64_OP_LDP_W_I && opcode < A64_OP_LDP_VS_I) ||
            opcode == A64_OP_MADD_X || opcode == A64_OP_MSUB_X)
            uses[op->ra]++;
        if (op->rd < A64_NR_X)
            r->dirty[op->rd] = true;
        if (op->rn < A64_NR_X)
            r->dirty[op->rn] = true; /* writeback */
        if (op->ra < A64_NR_X)
            r->dirty[op->ra] = true; /* second of a pair */
    }
    r->dirty[30] = true; /* link */
    uses[A64_ZR] = uses[A64_TRASH] = 0;
    for (unsigned g = 0; g < A64_NR_X; g++)
        r->host[g] = -1;
    for (unsigned i = 0; i < POOL; i++) {
        unsigned best = 0;

        for (unsigned g = 1; g < A64_NR_X; g++)
            if (uses[g] > uses[best])
                best = g;
        if (uses[best] < 2)
            break;
        r->host[best] = (int8_t)x86_pool[i];
        uses[best] = 0;
    }
}

/* ---- a whole region ---- */

/* Leave for an operation of the page: a taken branch, unless the budget was
 * counted already. */
static void exit_to_op(struct region *r, int32_t where)
{
    unsigned slot = (unsigned)where & 0xffff;
    struct emit *e = &r->e;
    uint8_t *spent = NULL, *cold = NULL;

    x86_write_back(r, true);
    if (!(where >> 16)) {
        op_rm(e, false, 0x83, 5, RBX, AT(poll_left));
        emit8(e, 1);
        spent = jcc(e, CC_LE);
    }
    if (spent != NULL && slot < A64_PAGE_OPS) {
        /* go on there if it is compiled by now */
        mov_ri(e, RCX, (uintptr_t)&r->page->native->entry[slot]);
        op_rm(e, true, 0x8b, RCX, RCX, 0);
        op_rr(e, true, 0x85, RCX, RCX);
        cold = jcc(e, CC_E);
        alu_ri(e, true, ALU_ADD, RCX, CHAIN_ENTRY);
        emit8(e, 0xff); /* jmp rcx */
        emit8(e, 0xe1);
        patch(e, cold, e->at);
    }
    if (spent != NULL)
        patch(e, spent, e->at);
    mov_ri(e, RAX, (uintptr_t)&r->page->op[slot]);
    x86_jump_from(r, TO_LEAVE, jmp(e), 0);
}

static void exit_to_itself(struct region *r, int32_t slot)
{
    x86_write_back(r, true);
    mov_ri(&r->e, RAX, (uintptr_t)&r->page->op[slot] | A64_NATIVE_ITSELF);
    x86_jump_from(r, TO_LEAVE, jmp(&r->e), 0);
}

static void exit_to_pc(struct region *r, int32_t offset)
{
    x86_page_plus(r, RAX, offset);
    x86_leave_to_rax(r);
}

/* The code behind the straight code. Emitting one exit adds jumps to the
 * epilogue, so the list grows while it is walked. */
static void out_of_line(struct region *r)
{
    uint8_t *leave;

    for (unsigned i = 0; i < r->jumps && !r->e.full; i++) {
        struct jump *j = &r->jump[i];
        uint8_t *here = r->e.at;

        switch (j->kind) {
        case TO_ITEM:
            patch(&r->e, j->from, r->item[j->where].at);
            break;
        case TO_OP:
            exit_to_op(r, j->where);
            patch(&r->e, j->from, here);
            break;
        case TO_ITSELF:
            exit_to_itself(r, j->where);
            patch(&r->e, j->from, here);
            break;
        case TO_PC:
            exit_to_pc(r, j->where);
            patch(&r->e, j->from, here);
            break;
        case TO_SLOW:
            x86_slow_path(r, &r->slow[j->where]);
            patch(&r->e, j->from, here);
            break;
        case TO_CHAIN:
            patch(&r->e, j->from, arena.write);
            break;
        case TO_LEAVE:
            break;
        }
    }
    leave = r->e.at;
    epilogue(&r->e);
    for (unsigned i = 0; i < r->jumps; i++)
        if (r->jump[i].kind == TO_LEAVE)
            patch(&r->e, r->jump[i].from, leave);
}

/* False: not worth it, or no room. */
static bool compile(struct region *r)
{
    unsigned done;

    gather(r);
    mark_targets(r);
    allocate(r);
    prologue(&r->e);
    if (r->e.at - r->e.start != CHAIN_ENTRY)
        abort(); /* the constant above is wrong */
    x86_reload(r, true);
    for (done = 0; done < r->count; done++) {
        struct item *item = &r->item[done];

        r->index = done;
        if (item->target)
            r->flags = IN_MEMORY;
        item->at = r->e.at;
        if (!x86_emit_op(r, item->op, item->opcode)) {
            /* the interpreter does it, and goes on behind it */
            x86_jump_from(r, TO_ITSELF, jmp(&r->e), (int32_t)(r->first + done));
            r->flags = IN_MEMORY;
            if (done == 0)
                return false;
        }
    }
    x86_jump_from(r, TO_OP, jmp(&r->e), (int32_t)(r->first + r->count));
    out_of_line(r);
    return !r->e.full && (r->loops || r->count >= MIN_OPS);
}

static void install(struct region *r, uint8_t *entry)
{
    struct a64_code_page *page = r->page;
    struct a64_op *op = &page->op[r->first];

    page->native->regions++;
    arena.regions++;
    page->native->opcode[r->first] = (uint16_t)r->item[0].opcode;
    /* release: native code looks here without the handler in between */
    __atomic_store_n(&page->native->entry[r->first],
                     (a64_native_fn *)(arena.run + (entry - arena.write)),
                     __ATOMIC_RELEASE);
    __atomic_store_n(&op->handler, a64_handlers[A64_OP_NATIVE],
                     __ATOMIC_RELEASE);
    arena.used = (size_t)(r->e.at - arena.write + 15) & ~(size_t)15;
}

static void try_compile(struct a64_code_page *page, unsigned slot)
{
    static struct region region; /* under the arena's lock */
    uint8_t *entry = arena.write + arena.used;

    if (arena.used + REGION_BYTES > ARENA_BYTES)
        return;
    region = (struct region){
        .e = {.start = entry, .at = entry, .end = entry + REGION_BYTES},
        .page = page,
        .first = slot,
    };
    if (compile(&region))
        install(&region, entry);
    else
        atomic_store_explicit(&page->native->heat[slot], NEVER,
                              memory_order_relaxed);
}

void a64_native_sample(struct a64_cpu *cpu, struct a64_op *op)
{
    struct a64_code_page *page = (struct a64_code_page *)cpu->page_ops;
    unsigned slot = (unsigned)(op - page->op);
    unsigned heat;

    if (cpu->cold != 0)
        return;
    if (cpu->native_draws < WARM) {
        cpu->native_draws++;
        return;
    }
    if (arena.write == NULL || cpu->debug_on || slot >= A64_PAGE_OPS ||
        page == cpu->step_page ||
        __atomic_load_n(&op->handler, __ATOMIC_RELAXED) ==
            a64_handlers[A64_OP_NATIVE])
        return;
    if (pthread_mutex_trylock(&arena.lock) != 0)
        return;
    if (page->native == NULL)
        __atomic_store_n(&page->native, calloc(1, sizeof(*page->native)),
                         __ATOMIC_RELEASE);
    if (page->native != NULL) {
        heat = atomic_load_explicit(&page->native->heat[slot],
                                    memory_order_relaxed);
        if (heat < HOT)
            atomic_store_explicit(&page->native->heat[slot],
                                  (uint8_t)(heat + 1), memory_order_relaxed);
        if (heat + 1 == HOT)
            try_compile(page, slot);
    }
    pthread_mutex_unlock(&arena.lock);
}
