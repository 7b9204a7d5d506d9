# Shortcuts. What is built, and from which files, is in meson.build.
#
#   make          build/lull
#   make demo     install what is missing, build, boot a guest, measure it
#   make test     install what is missing, build, run every test
#   make litmus   litmus tests of the memory model, at length
#   make arm64    build for arm64 Linux, run the tests under qemu-aarch64
#   make macos    compile and link for macOS, look at the result
#   make test-ssh SSH into a guest under every idle policy, with a table
#   make test-guest  programs inside the guest that check themselves
#   make fuzz     every fuzz target, a minute each
#   make model    let SPIN search a model of the parking protocol
#   make test-qemu  QEMU with -accel hvf on our framework, built and tested
#   make test-qemu-quick  the same in a few minutes, for CI
#   make bench    Lull and its peers on the same guest, side by side

BUILD ?= build
MESON_OPTIONS ?=
# One test more at a time than there are processors: many wait for guests.
MESON_TEST = meson test --print-errorlogs --num-processes \
	$$(($$(getconf _NPROCESSORS_ONLN) + 1))

.PHONY: all demo test litmus model arm64 macos asan tsan fuzz fmt lint \
	bench install clean bootstrap guest test-guest test-qemu test-ssh \
	test-qemu-quick

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)
	@ln -sfn src/cli/lull $(BUILD)/lull

$(BUILD)/build.ninja:
	meson setup $(BUILD) $(MESON_OPTIONS)

bootstrap:
	@scripts/bootstrap

demo:
	@scripts/demo

# The real-Linux tests need a guest. Where none can be had they say so and
# are skipped; everything else is tested all the same.
guest:
	@scripts/guest fetch debian --flavour all >/dev/null || \
		echo "make: no guest: the tests that boot Linux are skipped" >&2

test: bootstrap guest
	@$(MAKE) all
	$(MESON_TEST) -C $(BUILD) $(TESTS)

# The litmus tests of the memory model, on two vCPUs and on four, compiled and
# interpreted: 10^8 runs in which something is forbidden; most of an hour.
LITMUS_RUNS ?= 600000
litmus: bootstrap all
	@set -e; for native in 1 0; do for vcpus in 2 4; do \
		echo "== $$vcpus vCPUs, LULL_NATIVE=$$native"; \
		LULL_NATIVE=$$native tests/guests/run_litmus.py \
			$(BUILD)/src/cli/lull $(BUILD)/tests/guests/litmus.bin \
			$$vcpus $(LITMUS_RUNS); \
	done; done

model: bootstrap
	@tests/model/run

# QEMU's HVF accelerator on our framework. The first build takes minutes and
# is kept, so this is no part of `make test`.
test-qemu: guest all
	@scripts/rebuild-qemu.sh --variant all >/dev/null
	@qemu/check test

# Ours and the 11.0 form alone, not optimised.
test-qemu-quick: guest all
	@scripts/rebuild-qemu.sh --small --variant ours,11.0-form >/dev/null
	@qemu/check quick

# An arm64 host, in qemu-aarch64: ten times slower, so less is done. Left out:
# real Linux in a guest, and what has nothing of the host in it.
arm64:
	@places=$$(scripts/cross arm64) || exit 1; \
	test -f build-arm64/build.ninja || meson setup build-arm64 \
		--cross-file "$$places" --cross-file tests/cross/aarch64-linux.ini
	ninja -C build-arm64
	CK_TIMEOUT_MULTIPLIER=10 LITMUS_RUNS=2000 $(MESON_TEST) -C build-arm64 \
		-t 3 --no-suite guest --no-suite model \
		--no-suite scripts $(TESTS)

# macOS, as far as that goes without one: compiled, linked, looked at.
macos:
	@places=$$(scripts/cross macos) || exit 1; \
	test -f build-macos/build.ninja || meson setup build-macos \
		--cross-file "$$places" --cross-file tests/cross/aarch64-macos.ini \
		-Dwerror=true -Dslirp=disabled
	ninja -C build-macos
	meson test -C build-macos --print-errorlogs --suite macos

# Minutes a round, so no part of `make test`; ROUNDS=10 is what a release is
# to pass.
ROUNDS ?= 1
test-guest: bootstrap guest all
	@tests/guest_agent.py $(BUILD)/src/cli/lull
	@tests/guest_programs.py --rounds $(ROUNDS) --json $(BUILD)/programs.json

# Every policy; those of the past sleep only after 15 s, so: minutes.
test-ssh: bootstrap guest all
	@tests/ssh_policies.py $(BUILD)/src/cli/lull $(POLICIES)

# Units and bare-metal guests under a sanitizer; booting Linux under one takes
# too long. -O1, because gcc needs a minute for the interpreter's loop otherwise.
asan: SANITIZE = address,undefined
tsan: SANITIZE = thread
# One thread, which has nobody to race with.
tsan: NO_SUITE = --no-suite oracle
asan tsan:
	@test -f build-$@/build.ninja || meson setup build-$@ \
		-Db_sanitize=$(SANITIZE) -Db_lundef=false -Doptimization=1
	ninja -C build-$@
	$(MESON_TEST) -C build-$@ --no-suite guest \
		--no-suite model --no-suite scripts $(NO_SUITE) $(TESTS)

fuzz: bootstrap
	@test -f build-fuzz/build.ninja || CC=clang meson setup build-fuzz \
		-Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false \
		-Doptimization=1
	ninja -C build-fuzz fuzzers
	@scripts/fuzz build-fuzz

fmt:
	@scripts/lint --fix

lint: $(BUILD)/build.ninja
	@scripts/lint

bench: all
	bench/run --build $(BUILD)

install: all
	meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD) build-arm64 build-asan build-fuzz build-macos build-tsan
