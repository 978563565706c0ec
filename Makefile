# boxstep: every program is built here, by wildcard. `make help` lists what there is to do.
#
# A floor's modules (stepNN-*/*.c without its programs) become the archive stepNN.a, and a program
# links its own floor and those below it: a call upwards does not link.

# ---- what to build with -------------------------------------------------------------------------

ifneq ($(filter default undefined,$(origin CC)),)
CC := gcc
endif
WARN     := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wmissing-prototypes -Wstrict-prototypes
WERROR   ?= -Werror
OPTIMIZE := -O2
STATIC   := -static
EXTRA    :=
OUT      := build

ifdef SAN                               # ASan and UBSan: a dynamic program; they blur what gcc knows of sizes
OUT      := build/san
OPTIMIZE := -O1 -fno-omit-frame-pointer
EXTRA    := -fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-format-truncation
STATIC   :=
endif
ifdef COV                               # counters in a shared mapping: they survive clone, chroot, exec
OUT      := build/cov
CC       := clang-14
OPTIMIZE := -O1
EXTRA    := -fprofile-instr-generate -fcoverage-mapping -mllvm -runtime-counter-relocation
endif
ifdef FUZZING                           # the same beside libFuzzer's counters: for the goal fuzz
OUT      := build/fuzz
CC       := clang-14
OPTIMIZE := -O1 -fno-omit-frame-pointer
EXTRA    := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
STATIC   :=
endif
ifdef SILENT                            # for the bench: call() and stage() without their telling
OUT      := build/silent
CPPFLAGS += -I$(O)/silent
endif
ifdef CROSS                             # CROSS=arm64: what links without foreign libraries is linked
OUT      := build/$(CROSS)
TRIPLE   := $(patsubst arm64,aarch64,$(CROSS))-linux-gnu
CC       := $(TRIPLE)-gcc
endif
O        ?= $(OUT)

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/boxstep
CFLAGS     ?= -g
CPPFLAGS += -D_GNU_SOURCE -I.
ALL_C     = -std=gnu11 $(WARN) $(WERROR) $(OPTIMIZE) $(CFLAGS) $(EXTRA)
LINK      = $(CC) $(OPTIMIZE) $(CFLAGS) $(EXTRA) $(LDFLAGS)

# ---- what there is to build ---------------------------------------------------------------------

# A program's main file. Everything else below a step's folder is a module.
MAIN_step01         := step01-unshare/step01.c
MAIN_step02         := step02-pidns/step02.c
MAIN_step03         := step03-mounts/step03.c
MAIN_step04         := step04-cgroups/step04.c
MAIN_step05         := step05-overlay/step05.c
MAIN_step06         := step06-net/step06.c
MAIN_step07         := step07-runtime/step07.c
MAIN_boxstep-scope  := step04-cgroups/boxstep_scope.c
MAIN_boxstep-unpack := step05-overlay/boxstep_unpack.c
MAIN_boxstep-oci    := step07-runtime/oci/boxstep_oci.c
MAIN_boxstep-pull   := step07-runtime/registry/boxstep_pull.c
MAIN_boxstep        := step07-runtime/engine/boxstep.c

STEPS    := step01 step02 step03 step04 step05 step06 step07
RUN_PATH := $(STEPS) boxstep-oci boxstep
APART    := boxstep-scope boxstep-unpack boxstep-pull
MAINS    := $(foreach p,$(RUN_PATH) $(APART),$(MAIN_$(p)))

# An archive and the folder of its modules, from the top of the house down: the order of linking.
ROOMS    := observe:step07-runtime/observe engine:step07-runtime/engine oci:step07-runtime/oci \
            registry:step07-runtime/registry step07:step07-runtime \
            security:step07-runtime/security step06:step06-net step05:step05-overlay \
            step04:step04-cgroups step03:step03-mounts step02:step02-pidns step01:step01-unshare
room_name   = $(firstword $(subst :, ,$(1)))
room_folder = $(lastword $(subst :, ,$(1)))
ARCHIVES := $(foreach r,$(ROOMS),$(call room_name,$(r)))
# from NAME on downwards
from = $(if $(2),$(if $(filter $(1),$(firstword $(2))),$(2),$(call from,$(1),$(wordlist 2,99,$(2)))))
below = $(patsubst %,$(O)/%.a,$(call from,$(1),$(ARCHIVES)))

BELOW_boxstep-scope  := step04
BELOW_boxstep-unpack := step05
BELOW_boxstep-oci    := oci
BELOW_boxstep-pull   := registry
BELOW_boxstep        := observe
NO_REGISTRY          := $(O)/registry.a

LIBS_step05          := -ljson-c
LIBS_step06          := -ljson-c
LIBS_step07          := -ljson-c
LIBS_boxstep-oci     := -ljson-c
LIBS_boxstep         := -ljson-c
LIBS_boxstep-scope   := -lsystemd
LIBS_boxstep-unpack  := -larchive -lcrypto -ljson-c
LIBS_boxstep-pull    := -lcurl -lcrypto -ljson-c
LIBS_unit            := -lcmocka -lseccomp -larchive -lcurl -lcrypto -ljson-c

exists    = $(foreach p,$(1),$(if $(wildcard $(MAIN_$(p))),$(p)))
PROGRAMS := $(call exists,$(RUN_PATH) $(APART))
UNITS    := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
FUZZERS  := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
HELPERS  := $(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c))
SOURCES  := $(sort $(wildcard step0*/*.c step0*/*/*.c))

ifdef CROSS
CPPFLAGS += -isystem $(O)/include
LDFLAGS  += -L$(O)/lib
LINKED   := $(call exists,$(if $(wildcard $(O)/lib/libjson-c.a),$(RUN_PATH),step01 step02 step03 step04))
else
LINKED   := $(PROGRAMS)
endif

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all FORCE
all: ## the programs: step01 … step07, boxstep and its kin (CC=clang, SAN=1, COV=1, CROSS=arm64, O=DIR)
all: $(LINKED:%=$(O)/%) $(O)/probe $(if $(CROSS),$(SOURCES:%.c=$(O)/obj/%.o))

# ---- how ----------------------------------------------------------------------------------------

# Changed flags rebuild the objects, a changed list of sources the archives.
stamp = mkdir -p $(@D); echo '$(1)' | cmp -s - $@ || echo '$(1)' > $@
$(O)/.flags: FORCE
	@command -v $(firstword $(CC)) >/dev/null || { echo "no $(firstword $(CC)) here: \
	tests/install.sh build (or ci: clang, arm64) installs what is needed" >&2; exit 1; }
	@$(call stamp,$(CC) $(ALL_C) $(CPPFLAGS) $(LDFLAGS) $(STATIC))
$(O)/.libexec: FORCE
	@$(call stamp,$(LIBEXECDIR))
$(O)/.sources: FORCE
	@$(call stamp,$(SOURCES))

$(O)/obj/%.o: %.c $(O)/.flags | $(if $(CROSS),$(O)/include) $(if $(SILENT),$(O)/silent/step01-unshare/call.h)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_C) -MMD -MP -c -o $@ $<
$(O)/obj/step01-unshare/exec.o: CPPFLAGS += -DLIBEXECDIR='"$(LIBEXECDIR)"'
$(O)/obj/step01-unshare/exec.o: $(O)/.libexec
-include $(shell [ ! -d $(O)/obj ] || find $(O)/obj -name '*.d')

define archive
$(O)/$(1).a: $(patsubst %.c,$(O)/obj/%.o,$(filter-out $(MAINS),$(sort $(wildcard $(2)/*.c)))) $(O)/.sources
	@rm -f $$@
	@$(AR) rcsD $$@ $$(filter %.o,$$^)
endef
$(foreach r,$(ROOMS),$(eval $(call archive,$(call room_name,$(r)),$(call room_folder,$(r)))))

comma := ,
# A static program's first instruction may be ours: see step07-runtime/seal_entry.c. And what of it is
# never called stands last: see step07-runtime/rare.ld.
RARE := step07-runtime/rare.ld
ENTRY := $(if $(STATIC),$(if $(COV),,-Wl$(comma)-e$(comma)seal_entry -Wl$(comma)-T$(comma)$(RARE)))
ENTRY_step07 := $(ENTRY)
ENTRY_boxstep := $(ENTRY)
ENTRY_boxstep-oci := $(ENTRY)
$(O)/obj/step07-runtime/seal_entry.o: private EXTRA += -fno-stack-protector

define program
$(O)/$(1): $(O)/obj/$(MAIN_$(1):%.c=%.o) $(filter-out $(2),$(call below,$(or $(BELOW_$(1)),$(1)))) $(if $(ENTRY_$(1)),$(RARE))
	$$(LINK) $(3) $(ENTRY_$(1)) -o $$@ $$(filter %.o %.a,$$^) $(LIBS_$(1)) -lm
endef
$(foreach p,$(RUN_PATH),$(eval $(call program,$(p),$(NO_REGISTRY),$$(STATIC))))
$(foreach p,$(APART),$(eval $(call program,$(p),,)))

$(O)/probe $(O)/bench/%: EXTRA := # what runs inside, and what is compared with, is plain
$(O)/probe: $(O)/obj/tests/probe.o
	$(LINK) -static -o $@ $<
$(O)/unit/%: $(O)/obj/tests/unit/%.o $(HELPERS:%.c=$(O)/obj/%.o) $(ARCHIVES:%=$(O)/%.a)
	@mkdir -p $(@D)
	$(LINK) -o $@ $(filter %.o %.a,$^) $(LIBS_unit) -lm

$(O)/fuzz_%: $(O)/obj/tests/fuzz/fuzz_%.o $(O)/obj/tests/fuzz/fuzz.o $(ARCHIVES:%=$(O)/%.a)
	$(LINK) -fsanitize=fuzzer -o $@ $(filter %.o %.a,$^) $(LIBS_unit) -lm

$(O)/bench/%: $(O)/obj/tests/bench/%.o
	@mkdir -p $(@D)
	$(LINK) -static -o $@ $<

$(O)/bench/profile: $(O)/obj/tests/bench/profile.o $(call below,security)
	@mkdir -p $(@D)
	$(LINK) -static -o $@ $(filter %.o %.a,$^) -ljson-c -lm
$(O)/bench/memlock.so: tests/bench/memlock.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(OPTIMIZE) -shared -fPIC -o $@ $<

# call.h whose macros only make the call: what is compared with is a program that cannot tell.
$(O)/silent/step01-unshare/call.h: step01-unshare/call.h
	@mkdir -p $(@D)
	@sed 's/call_mode != CALL_SILENT/0/' $< > $@

# Headers of libraries for a foreign machine, which differ in nothing that is used here.
$(O)/include:
	@mkdir -p $@.new
	@for h in json-c archive.h archive_entry.h; do ln -sf /usr/include/$$h $@.new/; done
	@for d in curl openssl systemd; do for from in /usr/include /usr/include/x86_64-linux-gnu; do \
		[ ! -d $$from/$$d ] || cp -rs $$from/$$d $@.new/; done; done
	@mv $@.new $@

# ---- goals --------------------------------------------------------------------------------------

export BUILD := $(abspath $(O))
export VM_DIR ?= $(abspath build/vm)
TESTS   ?=
# all processors, if no -j says otherwise
JOBS     = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc) -Otarget)
C_FILES  = $(sort $(wildcard step0*/*.[ch] step0*/*/*.[ch] tests/*.[ch] tests/*/*.[ch]))

.PHONY: help units ready rootfs images vm test check callers unit-test fuzz fuzzers coverage bench bench-book bench-ready demo install reset \
	format clean distclean check-structure book book-sync book-run book-check figures grade starter export

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 17

units: $(UNITS:%=$(O)/unit/%)
ready: all units rootfs images

rootfs: ## build/rootfs, a root file system of busybox with its applets
rootfs: $(O)/.rootfs
$(O)/.rootfs: tests/rootfs.sh $(O)/probe
	@tests/rootfs.sh $(O)/rootfs $(O)/probe
	@touch $@

images: ## build/images/demo, a small OCI layout of three layers
images: $(O)/.images
$(O)/.images: tests/images.py $(O)/.rootfs
	@tests/images.py $(O)/images $(O)/rootfs
	@touch $@

vm: ## a shell in a virtual machine with cgroup v2, this tree shared (RUN="COMMAND" instead)
	@tests/install.sh vm
	@tests/vm/setup.sh "$(VM_DIR)"
	@tests/vm/shell.sh -d "$(VM_DIR)" $(if $(RUN),'$(subst ','\'',$(RUN))')

test: ## install what is missing, build, run every test (TESTS="step03 -k word", MUST_WORK=1)
	@tests/install.sh test
	@# before the runner cuts itself off from the network of the host
	@tests/vm/setup.sh $(or $(VM_DIR),build/vm)
	@$(MAKE) --no-print-directory check

check: ready ## every test, with what is installed (TESTS="step03 -k word")
	@tests/run.py $(TESTS)

callers: ## of these the tests of podman, containerd and dockerd with boxstep-oci as their runtime
	@$(MAKE) --no-print-directory test TESTS="podman containerd dockerd"

unit-test: units ## the unit tests alone
	@tests/run.py --unit

fuzz: ## parsers fed with broken input for a while (SECONDS=60 FUZZ="config process" or FUZZ=all)
	@tests/install.sh fuzz
	@$(MAKE) --no-print-directory $(JOBS) FUZZING=1 O=$(O)/fuzz fuzzers
	@tests/fuzz/run.sh $(O)/fuzz $(or $(SECONDS),60) $(if $(filter all,$(FUZZ)),$(FUZZERS:fuzz_%=%),$(or $(FUZZ),config process))
fuzzers: $(FUZZERS:%=$(O)/%)

coverage: ## lines that the tests reach, unit and system and VM together, as HTML
	@tests/install.sh coverage
	@$(MAKE) --no-print-directory COV=1 ready
	@BUILD=$(abspath build/cov) tests/coverage.py $(TESTS)

bench-ready:
	@tests/install.sh bench
	@$(MAKE) --no-print-directory ready $(patsubst %,$(O)/bench/%,floor stopwatch profile memlock.so)
	@$(MAKE) --no-print-directory SILENT=1 O=$(O)/silent all
bench: ## each step and the runtime beside a bare program, bubblewrap, crun and runc
bench: bench-ready
	@tests/bench/bench.py
	@tests/bench/runtimes.py
bench-book: ## the table of chapter 14, measured here and now
bench-book: bench-ready
	@tests/bench/runtimes.py --markdown book/14-light.md

demo: ## nginx from a registry: pulled, run, limited, asked, stopped (VM=1: in the virtual machine)
	@tests/install.sh demo
	@$(MAKE) --no-print-directory $(JOBS) all
	@tests/demo/demo.sh

install: all ## boxstep and boxstep-oci to $(DESTDIR)$(BINDIR), the rest to $(LIBEXECDIR)
	install -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(LIBEXECDIR)"
	install -m 755 $(addprefix $(O)/,$(filter boxstep boxstep-oci,$(PROGRAMS))) "$(DESTDIR)$(BINDIR)"
	install -m 755 $(addprefix $(O)/,$(filter-out boxstep boxstep-oci,$(PROGRAMS))) "$(DESTDIR)$(LIBEXECDIR)"

reset: ## remove what a crash left of ours on this host (ALL=1: the images and volumes as well)
	@tests/reset.sh

format: ## lay the C sources out
	clang-format -i $(C_FILES)

check-structure: ## the rules of the house
	@tests/structure/check.py

book: ## build/book: the book as a site, an EPUB and a PDF
	@tests/install.sh site
	@book/build/site/make_site.py $(abspath build/book)

book-sync: ## the listings of the book, from the sources
	@book/build/sync.py
book-run: ready ## the transcripts of the book, from the programs
	@book/build/run.py
book-check: ## listings, links and names of the book
	@book/build/check.py

figures: ## the figures of the book, from their sources in book/figures
	@book/build/figures.py

grade: ## points for exercises/ of a starter (STEP=03, ID=3.2, DIR=…, JSON=1, FORMAT=gradescope|autolab)
	@$(if $(READY),,$(MAKE) --no-print-directory -s ready WERROR= >&2)
	@tests/grade/grader.py grade $(if $(STEP),--step $(STEP)) $(if $(JSON),--json) \
		$(if $(FORMAT),--format $(FORMAT)) $(if $(DIR),--dir "$(DIR)") $(ID)
starter: ## a tree with the exercises of a step to work in (STEP=03 DIR=../mine SEED=class)
	@tests/grade/grader.py starter $(if $(STEP),--step $(STEP)) $(DIR)
export: ## one step and what it stands on, as a folder that builds alone (STEP=04 DIR=../step4)
	@tests/grade/grader.py export --step $(STEP) $(DIR)

clean: ## remove what was built; the virtual machine's kernel stays (distclean)
	@[ ! -d $(O) ] || find $(O) -mindepth 1 -maxdepth 1 ! -name vm -exec rm -rf {} +
distclean:
	rm -rf $(O)
