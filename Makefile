# SPDX-License-Identifier: GPL-2.0
# `make help` lists the targets. V=1 shows commands, SANITIZE=1 builds with ASan and UBSan.

MAKEFLAGS += -r
VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr
CC      ?= gcc
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
ARCH    := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

CPPFLAGS += -D_GNU_SOURCE= -DFREC_VERSION='"$(VERSION)"' -I$(BUILD)/lib -MMD -MP
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu11 -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes \
	    -fno-omit-frame-pointer -fstack-protector-strong
LDFLAGS  += -Wl,-z,relro,-z,now
ifdef SANITIZE
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined
CFLAGS  += $(SANITIZERS)
LDFLAGS += $(SANITIZERS)
override BUILD := $(BUILD)/sanitize
endif

DAEMON_LIBS := -lbpf -ldw -lstdc++ -lelf -lz -ldeflate -linih -ljansson -lsystemd -lcap-ng -lseccomp \
	       -lprotobuf-c -lm
CLI_LIBS    := -lbpf -lelf -lz -ldeflate -ljansson -lprotobuf-c -lseccomp -lm

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))
LIB_WRITE  := $(addprefix lib/,trace_write.c trace_host.c trace_track.c trace_stack.c \
	      trace_bundle.c trace_task.c)
LIB_READ   := $(wildcard lib/trace_read*.c)
LIB_VERDICT := $(wildcard lib/story*.c lib/verdict*.c)
LIB_COMMON := lib/units.c lib/protocol.c lib/signals.c lib/text.c lib/message.c
LIB_BPF    := lib/exit_maps.c lib/preempt_count.c lib/uprobe_multi.c
DAEMON_SRC := $(wildcard daemon/*.c)
CLI_SRC    := $(wildcard cli/*.c)
PROTO_OBJ  := $(BUILD)/lib/perfetto.pb-c.o

FRECD   := $(BUILD)/frecd
FRECCTL := $(BUILD)/frecctl

.PHONY: all deps demo check check-unit check-system check-vm scenarios soak fuzz bench analyze \
	install uninstall deb clean help programs workloads unit-tests
.DELETE_ON_ERROR:

all: $(FRECD) $(FRECCTL) ## builds build/frecd and build/frecctl

# ---- BPF: one object file a domain, linked into one object a variant (bpf/compat.bpf.h) ----

BPF_SRC    := $(wildcard bpf/*.bpf.c)
# maps first: the linker wants to see a definition before what refers to it
BPF_COMMON := $(patsubst bpf/%.bpf.c,$(BUILD)/bpf/%.o,bpf/maps.bpf.c \
	      $(filter-out bpf/maps.bpf.c bpf/sched.bpf.c,$(BPF_SRC)))
BPF_FLAGS  := -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_$(ARCH) -Wall -Wextra \
	      -Wno-unused-parameter -MMD -MP
VARIANTS   := located preempt_count pcpu_hot
BPF_OBJ    := $(VARIANTS:%=$(BUILD)/bpf/frec-%.bpf.o)

$(BUILD)/bpf/%.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_FLAGS) -c $< -o $@

$(BUILD)/bpf/sched-located.o: VARIANT_FLAG :=
$(BUILD)/bpf/sched-preempt_count.o: VARIANT_FLAG := -DIRQ_FROM_PREEMPT_COUNT
$(BUILD)/bpf/sched-pcpu_hot.o: VARIANT_FLAG := -DIRQ_FROM_PCPU_HOT
$(BUILD)/bpf/sched-%.o: bpf/sched.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$< ($*))
	$(Q)$(CLANG) $(BPF_FLAGS) $(VARIANT_FLAG) -c $< -o $@

$(BUILD)/bpf/frec-%.bpf.o: $(BPF_COMMON) $(BUILD)/bpf/sched-%.o
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(BUILD)/daemon/objects.o: daemon/objects.S $(BPF_OBJ)
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) -Wa,-I$(BUILD)/bpf -c $< -o $@

# ---- C ----

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/lib/perfetto.pb-c.c $(BUILD)/lib/perfetto.pb-c.h &: lib/perfetto.proto
	@mkdir -p $(@D)
	$(call say,PROTOC,$<)
	$(Q)protoc-c --proto_path=lib --c_out=$(BUILD)/lib $<

$(PROTO_OBJ): $(BUILD)/lib/perfetto.pb-c.c
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(call objects,$(LIB_READ) $(LIB_VERDICT) $(CLI_SRC) $(DAEMON_SRC)): | $(BUILD)/lib/perfetto.pb-c.h

$(FRECD): $(call objects,$(DAEMON_SRC) $(LIB_WRITE) $(LIB_READ) $(LIB_VERDICT) $(LIB_COMMON) $(LIB_BPF)) \
	  $(PROTO_OBJ) $(BUILD)/daemon/objects.o
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(FRECCTL): $(call objects,$(CLI_SRC) $(LIB_READ) $(LIB_VERDICT) $(LIB_COMMON) $(LIB_BPF)) $(PROTO_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CLI_LIBS)

# ---- test programs ----

WORKLOADS := $(patsubst tests/workloads/%.c,$(BUILD)/tests/%,$(wildcard tests/workloads/*.c)) \
	     $(BUILD)/tests/compat64 $(BUILD)/tests/guess_server_frec

SCENARIOS := $(patsubst tests/scenarios/%.c,$(BUILD)/scenarios/%,$(wildcard tests/scenarios/*.c))

workloads: $(WORKLOADS) $(SCENARIOS)
programs: all workloads

$(BUILD)/scenarios/%: tests/scenarios/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE= -Wall -Wextra -O2 -g -fomit-frame-pointer -pthread -MMD \
		-o $@ $<

$(BUILD)/tests/compat: tests/workloads/compat.c
	@mkdir -p $(@D)
	$(call say,CC,$< (32 bit))
	$(Q)$(CC) -std=gnu11 -Wall -m32 -static -O2 -MMD -o $@ $<

$(BUILD)/tests/compat64: tests/workloads/compat.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu11 -Wall -O2 -MMD -o $@ $<

$(BUILD)/tests/guess_server_frec: tests/workloads/guess_server.c include/frec/frec.h
	@mkdir -p $(@D)
	$(call say,CC,$< (with frec.h))
	$(Q)$(CC) -std=gnu11 -Wall -Wextra -O2 -g -fomit-frame-pointer -pthread -MMD -Iinclude -DWITH_FREC \
		-o $@ $<

$(BUILD)/tests/%: tests/workloads/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=gnu11 -Wall -Wextra -O2 -g -fomit-frame-pointer -pthread -MMD -o $@ $<

UNIT_SRC  := $(wildcard tests/unit/test_*.c)
UNIT      := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)
UNIT_OBJ  := $(call objects,$(filter-out daemon/frecd.c,$(DAEMON_SRC)) $(LIB_WRITE) $(LIB_READ) \
	     $(LIB_VERDICT) $(LIB_COMMON) $(LIB_BPF)) $(PROTO_OBJ) $(BUILD)/daemon/objects.o

unit-tests: $(UNIT)

# an archive, as a test links only what it needs of all there is
$(BUILD)/unit/frec.a: $(UNIT_OBJ)
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/unit/frec.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS) -lprotobuf-c -lcmocka

$(UNIT_SRC:%.c=$(BUILD)/%.o): | $(BUILD)/lib/perfetto.pb-c.h

# ---- what people call ----

deps: ## installs what Debian 12 needs to build and test; DEPS=build: to build only (as root)
	$(Q)tests/deps.sh $(DEPS)

DEMO := $(addprefix $(BUILD)/tests/,guess_server report_service guess_load)

demo: ## records this machine while a server with a bug runs, shows what frec found (as root)
	$(Q)tests/deps.sh build
	$(Q)$(MAKE) all $(DEMO)
	$(Q)BUILD=$(BUILD) tests/demo.sh

check: deps ## all tests (as root)
	$(Q)$(MAKE) programs unit-tests fuzzers
	$(Q)$(MAKE) SANITIZE=1 unit-tests
	$(Q)BUILD=$(BUILD) tests/run.sh unit fuzz system vm

check-unit: unit-tests ## tests that need neither root nor BPF
	$(Q)BUILD=$(BUILD) tests/run.sh unit

check-system: programs ## tests that drive the real daemon (as root)
	$(Q)BUILD=$(BUILD) tests/run.sh system

check-vm: programs ## tests below other kernels and systemd, in virtual machines
	$(Q)BUILD=$(BUILD) tests/run.sh vm

scenarios: programs ## is the verdict right: latencies with a known cause, RUNS (10) of each
	$(Q)BUILD=$(BUILD) tests/scenarios/run.sh

soak: programs ## an hour of build, pgbench and wrk, as shipped; TORTURE=MINUTES more of what is hard on a recorder (as root)
	$(Q)BUILD=$(BUILD) tests/soak.sh

bench: programs ## what recording costs, beside other tools, an hour; BENCH="--quick NAME…" (as root, on a quiet machine)
	$(Q)BUILD=$(BUILD) tests/bench.sh $(BENCH)

FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZERS  := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzz/%)
UNWINDER := $(addprefix daemon/,arena.c demangle.c demangle_rust.c image.c image_elf.c \
	    image_files.c image_lines.c names.c proc_maps.c symbols.c symbols_elf.c unwind.c)
FUZZ_LIB := $(LIB_COMMON) $(LIB_READ) $(LIB_WRITE) $(LIB_VERDICT) $(UNWINDER) \
	    $(wildcard daemon/config*.c daemon/opener_*.c daemon/worker_*.c) \
	    $(addprefix daemon/,capture.c control.c ledger.c policy.c span_find.c)

FUZZ_OBJ := $(patsubst %.c,$(BUILD)/fuzz/objects/%.o,$(FUZZ_LIB)) \
	    $(BUILD)/fuzz/objects/perfetto.pb-c.o
FUZZ_CC  := $(CLANG) -D_GNU_SOURCE= -DFREC_VERSION='"$(VERSION)"' -I$(BUILD)/lib -std=gnu11 -g -O1 \
	    -MMD -MP -fno-sanitize-recover=undefined

$(BUILD)/fuzz/objects/perfetto.pb-c.o: $(BUILD)/lib/perfetto.pb-c.c
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<

$(BUILD)/fuzz/objects/%.o: %.c | $(BUILD)/lib/perfetto.pb-c.h
	@mkdir -p $(@D)
	$(call say,FUZZCC,$<)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<

$(BUILD)/fuzz/frec.a: $(FUZZ_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# what a fuzzer refers to and never reaches is taken from the unit tests' archive
$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/fuzz/frec.a $(BUILD)/unit/frec.a
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $@ $< $(filter %.a,$^) $(DAEMON_LIBS)

# stories and captures of the unit tests are where the fuzzers of them begin
SEEDS := $(addprefix $(BUILD)/corpus/,fuzz_story/.made fuzz_trace_read/.made fuzz_worker/.made)

$(BUILD)/corpus/fuzz_story/.made $(BUILD)/corpus/fuzz_trace_read/.made: \
		$(BUILD)/unit/test_story $(BUILD)/unit/test_verdict $(BUILD)/unit/test_verdict_lock \
		$(BUILD)/unit/test_verdict_told
$(BUILD)/corpus/fuzz_worker/.made: $(BUILD)/unit/test_worker

$(SEEDS):
	@mkdir -p $(@D)
	$(Q)for test in $^; do FREC_SEEDS=$(@D) $$test >$(@D).log 2>&1 || exit 1; done
	$(Q)touch $@

fuzzers: $(FUZZERS) $(SEEDS)
fuzz: fuzzers ## runs each fuzzer for FUZZ_SECONDS (600)
	$(Q)BUILD=$(BUILD) FUZZ_SECONDS=$${FUZZ_SECONDS:-600} tests/run.sh fuzz

analyze: $(BUILD)/lib/perfetto.pb-c.h ## clang's analyzer and cppcheck
	$(Q)BUILD=$(BUILD) tests/analyze.sh

UNITS := $(PREFIX)/lib/systemd/system

install: all ## installs below DESTDIR and PREFIX
	install -D -m 0755 $(FRECD) $(DESTDIR)$(PREFIX)/sbin/frecd
	install -D -m 0755 $(FRECCTL) $(DESTDIR)$(PREFIX)/bin/frecctl
	install -D -m 0644 include/frec/frec.h $(DESTDIR)$(PREFIX)/include/frec/frec.h
	install -d -m 0755 $(DESTDIR)$(UNITS)
	for unit in frecd.service frecd-rescue.service; do \
		sed 's|^ExecStart=/usr/sbin/|ExecStart=$(PREFIX)/sbin/|' systemd/$$unit \
			>$(DESTDIR)$(UNITS)/$$unit && chmod 0644 $(DESTDIR)$(UNITS)/$$unit || exit; \
	done
	install -D -m 0644 systemd/run-frec-bpf.mount $(DESTDIR)$(UNITS)/run-frec-bpf.mount
	install -D -m 0644 systemd/frec.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/frec.conf
	install -D -m 0644 systemd/frec.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/frec.conf
	install -D -m 0644 cli/frecctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/frecctl.1
	install -D -m 0644 daemon/frecd.8 $(DESTDIR)$(PREFIX)/share/man/man8/frecd.8
	install -D -m 0644 daemon/frec.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/frec.conf.5
	install -D -m 0644 lib/frec-snapshot.5 $(DESTDIR)$(PREFIX)/share/man/man5/frec-snapshot.5
	install -d -m 0755 $(DESTDIR)/etc/frec/conf.d
	test -e $(DESTDIR)/etc/frec/frec.conf || \
		install -m 0644 systemd/frec.conf $(DESTDIR)/etc/frec/frec.conf

uninstall: ## removes what install with this PREFIX put there; configuration and spool stay
	rm -f $(DESTDIR)$(PREFIX)/sbin/frecd $(DESTDIR)$(PREFIX)/bin/frecctl \
		$(DESTDIR)$(UNITS)/frecd.service $(DESTDIR)$(UNITS)/frecd-rescue.service \
		$(DESTDIR)$(UNITS)/run-frec-bpf.mount \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d/frec.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/frec.conf \
		$(DESTDIR)$(PREFIX)/share/man/man1/frecctl.1 $(DESTDIR)$(PREFIX)/share/man/man8/frecd.8 \
		$(DESTDIR)$(PREFIX)/share/man/man5/frec.conf.5 \
		$(DESTDIR)$(PREFIX)/share/man/man5/frec-snapshot.5 \
		$(DESTDIR)$(PREFIX)/include/frec/frec.h

deb: ## builds the Debian package into build/deb
	$(Q)BUILD=$(BUILD) debian/build.sh

clean: ## removes build/
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

.PRECIOUS: $(BUILD)/%.o $(BUILD)/bpf/%.o $(BUILD)/bpf/sched-%.o
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# dependency files are made beside the objects, never by a rule
%.d: ;
