# Seepline's build. One file, not recursive: every object is made by one rule.
#
#   make            the command build/seepline, the library it preloads, and the Lua modules build/lua/5.x/seepline.so
#   make test       all tests (TESTS="…" for some; LUA=, INCLUDE= for another VM)
#   make bench      what recording costs
#   make help       the rest

VERSION := 0.1.0
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= gcc
OPTIMISE ?= -O2 -g
SANITIZE ?=
# Warnings are errors only for developers: make WERROR=-Werror
WERROR ?=

LUA_VERSIONS := 5.1 5.2 5.3 5.4

CFLAGS_ALL := -std=gnu11 $(OPTIMISE) -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
  $(WERROR) -fPIC -fvisibility=hidden -ftls-model=initial-exec $(SANITIZE) -Isrc -Iinclude -DSEEP_VERSION=\"$(VERSION)\" $(CFLAGS)
LDFLAGS_ALL := $(SANITIZE) $(LDFLAGS)

# What runs inside a program depends on libc alone; libraries serve the command.
HOST_SOURCES := $(filter-out src/base/text.c,$(wildcard src/base/*.c)) $(wildcard src/vm/*.c src/record/*.c) src/store/writer.c src/store/capture_path.c
PRELOAD_SOURCES := $(HOST_SOURCES) src/reach/preload.c
COMMAND_SOURCES := $(wildcard src/base/*.c src/store/*.c src/heap/*.c src/model/*.c src/verdict/*.c src/report/*.c src/cli/*.c) \
  src/record/rows.c src/record/series.c src/record/join.c src/vm/vm.c src/vm/image.c src/vm/definitions.c $(wildcard src/vm/*heap*.c) src/reach/launch.c src/reach/process_maps.c \
  $(addprefix src/reach/,maps.c self_image.c stopped.c process_image.c core_image.c find_release.c take_heap.c join_heap.c)
COMMAND_LIBS := -ljansson -lzstd -lelf -lm

# The Lua module: what needs lua.h is compiled once for each Lua, the rest is the same for all. LuaJIT loads that of 5.1.
# With INCLUDE=DIR (a lua.h of your own) there is one more, build/lua/given.
MODULE_SOURCES := $(HOST_SOURCES) src/base/text.c src/store/reader.c $(wildcard src/model/*.c) $(wildcard src/verdict/*.c) src/report/table.c
MODULE_LUA_SOURCES := $(wildcard src/lua/*.c)
MODULE_VERSIONS := $(LUA_VERSIONS) $(if $(INCLUDE),given)
MODULES := $(foreach v,$(MODULE_VERSIONS),$(BUILD)/lua/$(v)/seepline.so)
MODULE_SCRIPT := $(BUILD)/lua/utilsMemoryLeakDetector.lua
lua_cflags = $(if $(filter given,$(1)),-I$(INCLUDE),$(shell pkg-config --cflags lua$(1)))

comma := ,
# One short line per step; V=1 shows the commands, -s nothing.
Q := $(if $(V),,@)
say = @$(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),:,echo "  $(1) $@")

object = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(1))

PRELOAD := $(BUILD)/libseepline-preload.so
COMMAND := $(BUILD)/seepline

# For the bench: a host for each Lua.
PAUSES := $(patsubst %,$(BUILD)/bench/pauses-%,lua5.1 lua5.2 lua5.3 lua5.4 luajit)

all: $(COMMAND) $(PRELOAD) $(MODULES) $(MODULE_SCRIPT) $(BUILD)/bench/measure $(BUILD)/bench/heap

$(COMMAND): $(call object,$(COMMAND_SOURCES))
	$(call say,link)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(COMMAND_LIBS)

# nodelete: the allocator must outlive every dlclose (FACTS: a module is
# unloaded before the last frees).
$(PRELOAD): $(call object,$(PRELOAD_SOURCES))
	$(call say,link)
	$(Q)$(CC) -shared -Wl,-z,nodelete -Wl,-z,now $(if $(SANITIZE),,-Wl$(comma)-z$(comma)defs) $(LDFLAGS_ALL) -o $@ $^ -ldl -lpthread

# One Lua's module: its objects, and the rule that links them.
define MODULE_RULES
$(BUILD)/obj/lua/$(1)/%.o: src/lua/%.c
	@mkdir -p $$(@D)
	$$(call say,compile)
	$$(Q)$$(CC) $$(CFLAGS_ALL) $(call lua_cflags,$(1)) -MMD -MP -c -o $$@ $$<

$(BUILD)/lua/$(1)/seepline.so: $(patsubst src/lua/%.c,$(BUILD)/obj/lua/$(1)/%.o,$(MODULE_LUA_SOURCES)) $(call object,$(MODULE_SOURCES))
	@mkdir -p $$(@D)
	$$(call say,link)
	$$(Q)$$(CC) -shared -Wl,-z,nodelete -Wl,-z,now $$(LDFLAGS_ALL) -o $$@ $$^ -ldl -lpthread -lm
endef
$(foreach v,$(MODULE_VERSIONS),$(eval $(call MODULE_RULES,$(v))))

$(MODULE_SCRIPT): src/lua/utilsMemoryLeakDetector.lua
	@mkdir -p $(@D)
	$(call say,copy)
	$(Q)cp $< $@

$(BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(call say,compile)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/bench/measure: bench/measure.c
	@mkdir -p $(@D)
	$(call say,compile)
	$(Q)$(CC) -std=c11 -O2 -Wall -Wextra -o $@ $<

$(BUILD)/bench/pauses-%: bench/pauses.c
	@mkdir -p $(@D)
	$(call say,compile)
	$(Q)$(CC) -std=gnu11 -O2 -Wall -Wextra $(shell pkg-config --cflags $*) -o $@ $< $(shell pkg-config --libs $*)

$(BUILD)/bench/heap: bench/heap.c bench/made_up_heap.c bench/made_up_heap.h $(filter-out $(BUILD)/obj/cli/%,$(call object,$(COMMAND_SOURCES)))
	@mkdir -p $(@D)
	$(call say,compile)
	$(Q)$(CC) $(CFLAGS_ALL) -Ibench $(LDFLAGS_ALL) -o $@ $(filter %.c %.o,$^) $(COMMAND_LIBS)

include test/test.mk

BENCH_HEAP = bench/heap-run $(if $(BENCH_OBJECTS),--objects $(BENCH_OBJECTS)) $(filter --quick,$(BENCH_OPTIONS)) $(BENCH_HEAP_OPTIONS)

# One after the other, whatever -j says.
bench: all $(PAUSES)
	bench/run $(BENCH_OPTIONS)
	$(if $(findstring --instructions,$(BENCH_OPTIONS)),,bench/run --pauses $(BENCH_OPTIONS))
	$(if $(findstring --instructions,$(BENCH_OPTIONS)),,$(BENCH_HEAP))

bench-hosts: $(PAUSES)

# Objects per second, bytes per object and pauses, of BENCH_OBJECTS objects.
bench-heap: all
	$(BENCH_HEAP)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/seepline
	install -m 755 $(COMMAND) $(DESTDIR)$(PREFIX)/bin/seepline
	install -m 755 $(PRELOAD) $(DESTDIR)$(PREFIX)/lib/seepline/
	for v in $(LUA_VERSIONS); do \
	  install -d $(DESTDIR)$(PREFIX)/lib/lua/$$v $(DESTDIR)$(PREFIX)/share/lua/$$v && \
	  install -m 755 $(BUILD)/lua/$$v/seepline.so $(DESTDIR)$(PREFIX)/lib/lua/$$v/ && \
	  install -m 644 $(MODULE_SCRIPT) $(DESTDIR)$(PREFIX)/share/lua/$$v/ || exit 1; \
	done

clean:
	rm -rf $(BUILD)

help:
	@echo 'make               build the command (build/seepline) and its library'
	@echo 'make test          run all tests; TESTS="test/cli/run.t …" for some,'
	@echo '                   LUA=/path/to/lua for another interpreter (and INCLUDE=/its/headers)'
	@echo 'make check-asan    the tests with AddressSanitizer and UBSan builds'
	@echo 'make check-sampling  what mode sample estimates, in a thousand runs'
	@echo 'make check-valgrind  the tests under valgrind'
	@echo 'make verdict       precision and recall of `leaks`, see test/verdict/README.md'
	@echo 'make bench         what recording costs; BENCH_OPTIONS="--quick" and others, see bench/README.md; then'
	@echo 'make bench-heap    what reading a heap costs; BENCH_OBJECTS=10000000, BENCH_HEAP_OPTIONS="--lua lua5.4"'
	@echo 'make install       PREFIX=/usr/local DESTDIR='
	@echo 'make clean'

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

.PHONY: all bench bench-hosts bench-heap install clean help
