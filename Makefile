# Daybook. `make` alone says what there is to make.
MAKEFLAGS += --no-builtin-rules
# As many jobs as there are processors, unless this make was called by another one, which shares its own.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
comma := ,
# Objects on the way to a test program are kept, too.
.SECONDARY:

# MODE= picks a variant with a build folder of its own: release (default), asan, ubsan, tsan, cover, fuzz.
MODE ?= release
# V=1 shows whole command lines.
Q := $(if $(V),,@)
SAY := @$(if $(V),:,printf '%-8s %s\n')
# Another folder of schemas, into another folder: build/evolved below, and nothing else.
SCHEMA_FOLDER ?= schemas
BUILD_FOLDER ?= build
BUILD := $(BUILD_FOLDER)/$(MODE)
GEN := $(BUILD_FOLDER)/gen
CC := $(if $(filter fuzz,$(MODE)),clang,gcc)

WARNINGS := -Wall -Wextra -Wconversion -Wswitch-enum -Wvla -Wshadow -Wstrict-prototypes -Wno-sign-conversion \
  -Wformat=2 -Wimplicit-fallthrough $(if $(filter gcc,$(CC)),-Wtrampolines -Wbidi-chars=any) -Werror
# The guide of OpenSSF ("Compiler Options Hardening Guide for C and C++"); docs/adr/0037 says what is left out, and what it costs.
# Landing pads and shadow stacks are x86's, the same of aarch64 has another name.
CONTROL_FLOW := $(if $(findstring x86_64,$(shell uname -m)),-fcf-protection=full,-mbranch-protection=standard)
HARDENING := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fPIE -fstack-protector-strong -fstack-clash-protection $(CONTROL_FLOW) \
  -ftrivial-auto-var-init=zero -fno-delete-null-pointer-checks -fno-strict-overflow -fno-strict-aliasing
HARDENING_LINK := -Wl,-z,noexecstack,-z,separate-code
OPTIMIZE ?= -O2
MODE_release := $(OPTIMIZE) $(HARDENING)
# Warnings are errors in release alone: what gcc believes to see through a sanitizer's checks differs by variant.
# Addresses and undefined behaviour in one build: make test has not the time for two. Lines are all that a report tells.
MODE_asan := -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-error
MODE_ubsan := -O1 -fsanitize=undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-error
MODE_tsan := -O1 -fsanitize=thread -fno-omit-frame-pointer -Wno-error
MODE_cover := -O0 --coverage -fprofile-update=atomic -Wno-error
# Most tests take longer to compile than to run.
TESTS_asan := -O0
# With clang, for its libFuzzer; what gcc warns of is gcc's to say.
MODE_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -w
PKGS := rdkafka libpq avro-c libuv jansson lmdb libsodium libcurl openssl zlib
LLHTTP := /usr/share/llhttp
# Includes are named from the root; the generated headers are gen/... under build/.
CPPFLAGS := -I. -I$(BUILD_FOLDER) -D_GNU_SOURCE -isystem /usr/share/include/llhttp $(shell pkg-config --cflags-only-I $(PKGS) 2>/dev/null | sed 's/-I/-isystem /g')
CFLAGS := -std=gnu17 -g $(if $(filter fuzz,$(MODE)),,$(WARNINGS)) $(MODE_$(MODE)) -pthread
LDFLAGS := -pthread -pie -Wl,-z,relro,-z,now $(HARDENING_LINK) $(filter -fsanitize=% --coverage,$(MODE_$(MODE)))
LDLIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm
# Of the program alone: docs/performance.md says what it gives. Sanitizers bring a malloc of their own.
ALLOCATOR := $(if $(filter release,$(MODE)),-lmimalloc)

# ---- what is built from what -------------------------------------------------------------------------------------
# The simulator defines what others call of the outside (librdkafka, libuv ...): it is linked into nothing else.
SIM_SOURCES := $(wildcard core/testing/simulator/*.c)
SOURCES := $(filter-out $(SIM_SOURCES),$(wildcard core/*/*.c core/*/*/*.c projections/*/*.c))
TESTS := $(filter %_test.c,$(SOURCES) $(SIM_SOURCES)) $(wildcard cmd/*_test.c)
# The sanitizers have an allocator of their own, and this test is one.
TESTS := $(filter-out $(if $(filter asan tsan,$(MODE)),%/memory_test.c),$(TESTS))
# TSan sees nothing of librdkafka's threads, and its processes crash under it; the simulator's are no threads.
KAFKA_TESTS := core/connect/errand_log_test.c core/handler/group_test.c core/log/client_security_test.c \
  core/log/client_test.c core/log/topics_test.c core/log/txn_test.c
TESTS := $(filter-out $(if $(filter tsan,$(MODE)),$(KAFKA_TESTS) core/testing/simulator/%),$(TESTS))
FUZZERS := $(filter $(if $(ONLY),$(addprefix %/,$(addsuffix .c,$(ONLY))),%_fuzz.c),$(SOURCES))
LIBRARY := $(filter-out %_test.c %_fuzz.c,$(SOURCES))
COMMANDS := $(filter-out %_test.c %_fuzz.c,$(wildcard cmd/*.c))
CODEGEN := $(wildcard schemas/codegen/*.c)
SCHEMAS := $(wildcard $(SCHEMA_FOLDER)/*/*/*.avsc) $(SCHEMA_FOLDER)/registry.tsv
# llhttp comes as source in Debian's node-llhttp and is compiled where it is installed.
LLHTTP_OBJECTS := $(addprefix $(BUILD)/llhttp/,api.o http.o llhttp.o)

GEN_STAMP := $(GEN)/stamp
# The generator makes one .c per family; the names are known once it has run.
GEN_SOURCES = $(wildcard $(GEN)/*.c)

object = $(patsubst %.c,$(BUILD)/%.o,$(1))
OBJECTS := $(call object,$(LIBRARY))
TEST_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(TESTS))
# What they do is waiting, for ten seconds and more: they run beside the others.
WAITING_TESTS := $(filter $(TEST_PROGRAMS),$(addprefix $(BUILD)/,core/log/txn_test core/log/client_test \
  core/http/server_test core/log/client_security_test cmd/load_test core/gateway/event_crowd_test core/handler/group_test))
# What computes longest begins first, so that in the end nobody waits for it alone.
LONG_TESTS := $(filter $(TEST_PROGRAMS),$(addprefix $(BUILD)/core/testing/simulator/,views_switch_test views_parking_test))
FUZZ_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(FUZZERS))
FUZZ_SECONDS ?= 20

SIM_OBJECTS := $(call object,$(filter-out %_test.c %/main.c,$(SIM_SOURCES)))
SIM_LDLIBS = $(filter-out -lrdkafka -luv,$(LDLIBS))
SIM_WRAPPED := pthread_create pthread_join pthread_setname_np pthread_mutex_lock pthread_rwlock_rdlock pthread_rwlock_wrlock \
  pthread_cond_wait pthread_cond_timedwait pthread_cond_signal pthread_cond_broadcast nanosleep clock_gettime time \
  setpriority
SIM_LDFLAGS := $(addprefix -Wl$(comma)--wrap=,$(SIM_WRAPPED))
SIM := $(BUILD)/simulator
HISTORIES := build/histories/histories

.PHONY: help deps build run test unit integration faults sim sim-mutants histories bench bench-compare bench-doors growth scale-out flames asan ubsan tsan fuzz attack cover lint format retail clean registry sbom holes

help: ## this list
	@grep -hE '^[a-z -]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

deps: ## install what is missing (Debian packages, Python packages, Kafka from Maven Central)
	deploy/local/deps.sh

build: $(BUILD)/daybook ## the program, in build/$(MODE)/daybook

# The generator needs base alone, and is always built plainly: by gcc, whatever MODE.
build/codegen: $(CODEGEN) $(wildcard schemas/codegen/*.h) $(filter-out %_test.c %_fuzz.c,$(wildcard core/base/*.c core/base/*.h))
	@mkdir -p $(@D)
	$(SAY) link $@
	$(Q)gcc $(CPPFLAGS) -std=gnu17 -g -O1 $(WARNINGS) -o $@ $(CODEGEN) \
	  $(filter-out %_test.c %_fuzz.c,$(wildcard core/base/*.c)) $$(pkg-config --libs jansson avro-c libsodium)

$(GEN_STAMP): build/codegen $(SCHEMAS)
	@mkdir -p $(GEN)
	$(SAY) generate $(GEN)
	$(Q)build/codegen --schemas $(SCHEMA_FOLDER) --out $(GEN)
	@touch $@

registry: build/codegen ## give new schema files their ids in schemas/registry.tsv
	build/codegen --schemas schemas --register

# The generated headers must be there first; which of them a file reads, -MMD finds out.
$(BUILD)/%.o: %.c | $(GEN_STAMP)
	@mkdir -p $(@D)
	$(SAY) compile $@
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(if $(filter %_test.c,$<),$(TESTS_$(MODE))) -MMD -MP -c -o $@ $<

$(BUILD)/gen/%.o: $(GEN)/%.c | $(GEN_STAMP)
	@mkdir -p $(@D)
	$(SAY) compile $@
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/llhttp/%.o: $(LLHTTP)/%.c
	@mkdir -p $(@D)
	$(SAY) compile $@
	$(Q)$(CC) -I/usr/share/include/llhttp -DLLHTTP_STRICT_MODE=1 -g -O2 $(MODE_$(MODE)) -c -o $@ $<

# A make of its own, because the generated sources are known only after the generator ran.
$(BUILD)/libdaybook.a: $(GEN_STAMP) FORCE
	@$(MAKE) --no-print-directory -s MODE=$(MODE) $(BUILD)/libdaybook.a.real
$(BUILD)/libdaybook.a.real: $(OBJECTS) $(LLHTTP_OBJECTS) $(patsubst $(GEN)/%.c,$(BUILD)/gen/%.o,$(GEN_SOURCES))
	@rm -f $(BUILD)/libdaybook.a
	@ar rcs $(BUILD)/libdaybook.a $^ && touch $@
.PHONY: FORCE
FORCE:

$(BUILD)/daybook: $(call object,$(COMMANDS)) $(BUILD)/libdaybook.a
	$(SAY) link $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $(call object,$(COMMANDS)) $(BUILD)/libdaybook.a $(ALLOCATOR) $(LDLIBS)

# A subcommand's test has all subcommands at hand, but not their main.
$(BUILD)/cmd/%_test: $(BUILD)/cmd/%_test.o $(call object,$(filter-out cmd/main.c,$(COMMANDS))) $(BUILD)/libdaybook.a
	$(SAY) link $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# Doubles come before the archive, whose own members of the same names are then left out.
$(SIM): $(BUILD)/core/testing/simulator/main.o $(SIM_OBJECTS) $(BUILD)/libdaybook.a
	$(SAY) link $@
	$(Q)$(CC) $(LDFLAGS) $(SIM_LDFLAGS) -o $@ $^ $(SIM_LDLIBS)

$(BUILD)/core/testing/simulator/%_test: $(BUILD)/core/testing/simulator/%_test.o $(SIM_OBJECTS) $(BUILD)/libdaybook.a
	$(SAY) link $@
	$(Q)$(CC) $(LDFLAGS) $(SIM_LDFLAGS) -o $@ $^ $(SIM_LDLIBS) -lcmocka

$(BUILD)/%_test: $(BUILD)/%_test.o $(BUILD)/libdaybook.a
	$(SAY) link $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(BUILD)/libdaybook.a $(LDLIBS) -lcmocka

$(BUILD)/%_fuzz: $(BUILD)/%_fuzz.o $(BUILD)/libdaybook.a
	$(SAY) link $@
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(BUILD)/libdaybook.a $(LDLIBS)

# SQL, JSON and mails that are linked in by core/base/embed.h, which -MMD does not see.
$(foreach sql,$(wildcard projections/*/view.sql),$(eval $(BUILD)/$(dir $(sql))project.o: $(sql)))
$(BUILD)/projections/runtime/tables.o: projections/runtime/runtime.sql projections/runtime/parking.sql
$(BUILD)/core/connect/mail_text.o: $(wildcard core/connect/mails/*)
$(BUILD)/core/gateway/openapi.o: $(GEN_STAMP) $(wildcard core/gateway/openapi_*.json projections/*/document.json) docs/http.md

# What compiles nothing in $(BUILD) does not read what another make may be writing there.
ifneq ($(filter-out help deps test lint clients evolved checker fuzz,$(or $(MAKECMDGOALS),help)),)
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
endif

# ---- what is run --------------------------------------------------------------------------------------------------
run: ## install, build, start Kafka, PostgreSQL and Daybook under var/, seed a small catalogue; Ctrl-C stops all
	deploy/local/run.sh

# Makes of their own: the first may install what this make looked for in vain when it began.
test: ## everything, as CI runs it: deps, lint, build, unit, asan (with ubsan), sim (some of it under both), histories, integration, quick faults
	deploy/local/test.sh

# The generator is one program, whatever MODE, and its tests have sanitizers of their own: they run once.
unit: $(if $(filter release,$(MODE)),generator-tests) unit-programs ## unit tests
.PHONY: generator-tests unit-programs
generator-tests: build/codegen
	schemas/codegen/codegen_test.sh
	schemas/codegen/evolution_test.sh
unit-programs: $(TEST_PROGRAMS)
	@deploy/local/unit.sh $(LONG_TESTS) $(filter-out $(LONG_TESTS) $(WAITING_TESTS),$(TEST_PROGRAMS)) -- $(WAITING_TESTS)

# Clients that nobody here wrote, by Daybook's documents: integration-tests/clients/README.md. Their modules are kept in var/.
CLIENTS := build/clients/go/consumer build/clients/java/classes.stamp \
  build/clients/typescript/modules.stamp build/clients/validators/modules.stamp
clients: $(CLIENTS)
.PHONY: clients

build/clients/go/consumer: $(wildcard integration-tests/clients/go/*.go integration-tests/clients/go/go.*)
	$(SAY) go $@
	$(Q)deploy/local/deps.sh
	$(Q)mkdir -p $(@D)
	$(Q)cd integration-tests/clients/go && go=$$(<$(abspath var/go/path)) && unset GOROOT && \
	  export GOMODCACHE=$(abspath var/go/mod) GOCACHE=$(abspath var/go/build) GOFLAGS='-modcacherw -buildvcs=false' && \
	  { ! "$$(dirname $$go)/gofmt" -l . | grep .; } && $$go vet . && $$go test . && $$go build -o $(abspath $@) .

build/clients/java/libraries.stamp: integration-tests/clients/java/pom.xml
	$(SAY) maven $(@D)
	$(Q)deploy/local/deps.sh
	$(Q)rm -rf $(@D) && mkdir -p $(@D)
	$(Q)mvn -q -B -Dstyle.color=never -Dmaven.repo.local=$(abspath var/maven) -f $< -DincludeScope=runtime \
	  -DoutputDirectory=$(abspath $(@D))/lib $(shell sed -n 's/^DEPENDENCY_PLUGIN=//p' deploy/local/deps.sh):copy-dependencies
	$(Q)touch $@

build/clients/java/classes.stamp: build/clients/java/libraries.stamp $(wildcard integration-tests/clients/java/clients/*.java)
	$(SAY) javac $(@D)
	$(Q)javac -Xlint:all,-processing -Werror --release 17 -cp '$(@D)/lib/*' -d $(@D)/classes $(filter %.java,$^)
	$(Q)touch $@

build/clients/%/modules.stamp: integration-tests/clients/%/package.json integration-tests/clients/%/package-lock.json
	$(SAY) npm $(@D)
	$(Q)deploy/local/deps.sh
	$(Q)rm -rf $(@D) && mkdir -p $(@D) && cp $^ $(@D)
	$(Q)cd $(@D) && npm ci --silent --cache $(abspath var/npm) --ignore-scripts --no-audit --no-fund
	$(Q)touch $@

# The program as it will be after two changes of its schemas: test_evolution.py runs it beside today's. It is compiled for what it
# does, not for how fast.
EVOLVED := $(foreach release,2 3,build/evolved/$(release)/release/daybook)
build/evolved/%/schemas/registry.tsv: integration-tests/evolution/evolve.py build/codegen $(SCHEMAS)
	$(SAY) evolve $(@D)
	$(Q)python3 $< build/codegen $(@D) $*
build/evolved/%/release/daybook: build/evolved/%/schemas/registry.tsv FORCE
	@$(MAKE) --no-print-directory MODE=release OPTIMIZE='-O1 -Wno-error' BUILD_FOLDER=build/evolved/$* SCHEMA_FOLDER=build/evolved/$*/schemas build
evolved: $(EVOLVED)
.PHONY: evolved
.PRECIOUS: build/evolved/%/schemas/registry.tsv

# All of them are shared by three processes with servers of their own, a file going to one of them whole: most of what they do is waiting.
integration: $(BUILD)/daybook $(CLIENTS) $(EVOLVED) ## tests with real servers and clients; ARGS= goes to pytest (ARGS="-k checkout -x")
	DAYBOOK_TEST_BINARY=$(abspath $(BUILD)/daybook) DAYBOOK_TEST_ASAN_BINARY=$(abspath $(ASAN)) \
	  var/venv/bin/pytest -c integration-tests/pytest.ini \
	  --rootdir integration-tests $(if $(filter integration-tests/%,$(ARGS)),,integration-tests) \
	  --ignore=integration-tests/faults -m "not attack" $(or $(ARGS),-n 3 --dist loadfile --no-loadscope-reorder)

# What a program is started with in LD_PRELOAD, so that a disk, the memory or a clock fails for it alone.
FAULT_LIBRARIES := $(patsubst integration-tests/faults/%.c,build/release/faults/%.so,$(wildcard integration-tests/faults/*_faults.c))
fault-libraries: $(FAULT_LIBRARIES)
.PHONY: fault-libraries
build/release/faults/%.so: integration-tests/faults/%.c
	@mkdir -p $(@D)
	$(SAY) link $@
	$(Q)gcc -std=gnu17 -D_GNU_SOURCE -g -O2 $(WARNINGS) -fPIC -shared -o $@ $<

faults: $(BUILD)/daybook $(HISTORIES) $(FAULT_LIBRARIES) ## faults of real servers, links, disks and memory; ARGS="-m quick" are those of make test
	deploy/local/deps.sh
	DAYBOOK_TEST_BINARY=$(abspath $(BUILD)/daybook) var/venv/bin/pytest -c integration-tests/pytest.ini \
	  --rootdir integration-tests $(if $(filter integration-tests/%,$(ARGS)),,integration-tests/faults) $(ARGS)

attack: $(BUILD)/daybook ## what is sent to do harm, also behind proxies, slow clients, and make integration with access control on; ARGS="-k haproxy": that alone
	deploy/local/deps.sh nginx-light haproxy slowhttptest
	DAYBOOK_TEST_BINARY=$(abspath $(BUILD)/daybook) var/venv/bin/pytest -c integration-tests/pytest.ini \
	  --rootdir integration-tests \
	  $(if $(filter integration-tests/%,$(ARGS)),,integration-tests/attacks integration-tests/test_erasure.py) $(ARGS)
	$(if $(ARGS),,DAYBOOK_TEST_ACCESS=closed $(MAKE) integration)

asan ubsan tsan: ## unit tests under a sanitizer: addresses, leaks and undefined behaviour; that alone; data races
	$(MAKE) MODE=$@ unit

fuzz: ## every parser under libFuzzer with ASan and UBSan, FUZZ_SECONDS=20 each; FUZZ_JOBS=2 at once, FUZZ_CLOCK=processor; ONLY=mail_fuzz
	deploy/local/deps.sh --debian
	$(MAKE) MODE=fuzz fuzz-programs
	deploy/local/fuzz.sh $(FUZZ_SECONDS) $(patsubst %.c,build/fuzz/%,$(FUZZERS))
.PHONY: fuzz-programs
fuzz-programs: $(FUZZ_PROGRAMS)

cover: ## unit tests with coverage: a table here, lines in build/cover/index.html
	deploy/local/deps.sh gcovr
	find build/cover -name '*.gcda' -delete 2>/dev/null || true
	$(MAKE) MODE=cover unit
	gcovr --root . --object-directory build/cover --filter '(core|projections|cmd)/' --exclude '.*_test\.c' \
	  --print-summary --html-details build/cover/index.html

# The programs of make bench: limits, and what fills a log.
BENCH_PROGRAMS := $(patsubst integration-tests/bench/%.c,$(BUILD)/bench/%,$(wildcard integration-tests/bench/*.c))
$(BUILD)/bench/%: $(BUILD)/integration-tests/bench/%.o $(BUILD)/libdaybook.a
	@mkdir -p $(@D)
	$(SAY) link $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(BUILD)/libdaybook.a $(LDLIBS)

sim: $(SIM) ## the simulator: SEED=17 runs one and tells its steps; SEEDS=1000 runs many, FROM=1
	$(SIM) $(if $(SEED),--seed $(SEED) --trace,--from $(or $(FROM),1) --count $(or $(SEEDS),1000)) $(SIM_ARGS)

sim-mutants: $(SIM) build/codegen ## whether the simulator bites: the program broken in named ways, each of which it must find
	var/venv/bin/python core/testing/simulator/mutants.py $(ARGS)

# The checker of histories is a module of its own, in Go, because porcupine is.
$(HISTORIES): $(wildcard integration-tests/histories/*.go integration-tests/histories/go.*)
	deploy/local/deps.sh
	@mkdir -p $(@D)
	$(SAY) go $@
	$(Q)cd integration-tests/histories && gofmt -l . | (! grep .) && go vet . && go test . && go build -o $(abspath $@) .

checker: $(HISTORIES)
.PHONY: checker

histories: $(SIM) $(HISTORIES) ## histories of simulated runs, judged as linearizable by porcupine: SEEDS=20 FROM=1
	rm -rf build/histories/runs && mkdir -p build/histories/runs
	$(SIM) --from $(or $(FROM),1) --count $(or $(SEEDS),20) --histories build/histories/runs >build/histories/runs.txt
	$(HISTORIES) -html build/histories build/histories/runs/*.jsonl

bench: $(BUILD)/daybook $(BENCH_PROGRAMS) ## Daybook beside the limits of what it stands on, into build/bench.json; ARGS="--rounds 5"
	deploy/local/deps.sh wrk
	DAYBOOK_TEST_BINARY=$(abspath $(BUILD)/daybook) var/venv/bin/python integration-tests/bench/bench.py $(ARGS)

bench-compare: ## what differs between two runs of make bench beyond their noise: BASE=before.json, and build/bench.json
	python3 integration-tests/bench/compare.py $(BASE) $(or $(NOW),build/bench.json)

bench-doors: $(BUILD)/daybook ## what access control, limits and TLS cost, into build/doors.json; ARGS="--rounds 5 --alone 3"
	deploy/local/deps.sh wrk
	DAYBOOK_TEST_BINARY=$(abspath $(BUILD)/daybook) var/venv/bin/python integration-tests/bench/doors.py $(ARGS)

flames: $(BUILD)/daybook ## a flame graph of each role while shoppers check out, into docs/flames; needs perf and inferno
	deploy/local/deps.sh
	DAYBOOK_TEST_BINARY=$(abspath $(BUILD)/daybook) var/venv/bin/python integration-tests/bench/flames.py $(ARGS)

growth: $(BUILD)/daybook ## what an order costs with 10^4, 10^5 and 10^6 of them in the log, into build/growth.json; ARGS="--sizes 10000,100000"
	deploy/local/deps.sh
	DAYBOOK_TEST_BINARY=$(abspath $(BUILD)/daybook) var/venv/bin/python integration-tests/bench/growth.py $(ARGS)

scale-out: $(BUILD)/daybook ## what each further process costs, and members that come and go, into build/scale_out.json; ARGS="--only members"
	deploy/local/deps.sh
	DAYBOOK_TEST_BINARY=$(abspath $(BUILD)/daybook) var/venv/bin/python integration-tests/bench/scale_out.py $(ARGS)

retail: $(BUILD)/daybook ## a year of real retail through the front, compared with the data set; ARGS="--sample 2000"
	deploy/local/deps.sh
	DAYBOOK_TEST_BINARY=$(abspath $(BUILD)/daybook) var/venv/bin/python integration-tests/retail/run.py $(ARGS)

# The file is made anew only when the program was.
sbom: $(BUILD)/sbom.cdx.json ## what the program consists of besides its own code: CycloneDX 1.5, in build/release/sbom.cdx.json
$(BUILD)/sbom.cdx.json: $(BUILD)/daybook deploy/sbom.py
	$(SAY) sbom $@
	$(Q)python3 deploy/sbom.py $< --out $@

holes: $(BUILD)/sbom.cdx.json ## which known holes these libraries have: TRACKER=FILE, Debian's list (docs/operations.md, "Libraries with holes")
	$(Q)python3 deploy/holes.py $< $(or $(TRACKER),$(error TRACKER= names the file of Debian's security tracker))

# ---- what is looked at ---------------------------------------------------------------------------------------------
lint: $(GEN_STAMP) ## format, layers, house rules, problem codes, descriptions, registry, shellcheck, ruff, cppcheck, clang-tidy; CHECKS=house,tidy
	CPPFLAGS='$(CPPFLAGS)' deploy/lint/lint.sh $(subst $(comma), ,$(CHECKS))

format: ## put all C files into the form that lint asks for
	clang-format -i $(shell find core projections cmd schemas/codegen -name '*.[ch]')

clean: ## remove what was built
	rm -rf build
