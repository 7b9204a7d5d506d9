/*
 * The GIC's state as bytes: what the guest can write, and the levels of the
 * input lines, whose owners are saved beside it. What is delivered is worked
 * out anew.
 */
#include "gic_state.h"
#include "lull/state.h"

static void bank_state(struct gic_bank *bank, struct lull_state *state)
{
    uint32_t *words[] = {&bank->group, &bank->enabled, &bank->line,
                         &bank->latch, &bank->active,  &bank->edge};

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        lull_state_u32(state, words[i]);
    lull_state_raw(state, bank->priority, sizeof(bank->priority));
    for (unsigned i = 0; i < 32; i++)
        bank->priority[i] &= GIC_PRIORITY_MASK;
}

static void router_state(struct gic *gic, unsigned number,
                         struct lull_state *state)
{
    for (unsigned i = 0; i < 32; i++) {
        uint64_t router = gic->bank[number].router[i];

        lull_state_u64(state, &router);
        if (state->loading)
            gic_route(gic, number * 32 + i, router);
    }
}

static void cpu_state(struct gic_cpu *cpu, struct lull_state *state)
{
    lull_state_bool(state, &cpu->asleep);
    lull_state_bool(state, &cpu->eoi_mode);
    lull_state_bool(state, &cpu->common_bpr);
    for (unsigned i = 0; i < 2; i++) {
        lull_state_bool(state, &cpu->group_enabled[i]);
        lull_state_u8(state, &cpu->bpr[i]);
        lull_state_u32(state, &cpu->active_priorities[i]);
    }
    lull_state_u8(state, &cpu->pmr);
    cpu->pmr &= GIC_PRIORITY_MASK;
    lull_state_check(state, cpu->bpr[0] >= GIC_BPR0_MIN && cpu->bpr[0] <= 7 &&
                                cpu->bpr[1] >= GIC_BPR1_MIN &&
                                cpu->bpr[1] <= 7);
    bank_state(&cpu->private_bank, state);
    if (!state->bad)
        return;
    cpu->bpr[0] = GIC_BPR0_MIN; /* what shifts by it is defined */
    cpu->bpr[1] = GIC_BPR1_MIN;
}

void gic_state(struct gic *gic, struct lull_state *state)
{
    gic_lock(gic);
    lull_state_same(state, gic->cpus);
    lull_state_same(state, GIC_BANKS);
    for (unsigned i = 0; i < 2; i++)
        lull_state_bool(state, &gic->group_enabled[i]);
    for (unsigned i = 1; i < GIC_BANKS; i++) {
        bank_state(&gic->bank[i], state);
        router_state(gic, i, state);
    }
    for (unsigned i = 0; i < gic->cpus; i++)
        cpu_state(&gic->cpu[i], state);
    if (state->loading) {
        gic_choose_any(gic);
        gic_update_all(gic);
    }
    gic_unlock(gic, 0);
}
