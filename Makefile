# Seepline's build. One file, not recursive: every object is made by one rule.
#
#   make            the command build/seepline and the library it preloads
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
HOST_SOURCES := $(filter-out src/base/text.c,$(wildcard src/base/*.c)) $(wildcard src/vm/*.c src/record/*.c) src/store/writer.c
PRELOAD_SOURCES := $(HOST_SOURCES) src/reach/preload.c
COMMAND_SOURCES := $(wildcard src/base/*.c src/store/*.c src/model/*.c src/verdict/*.c src/report/*.c src/cli/*.c) \
  src/record/rows.c src/record/series.c src/vm/vm.c src/vm/image.c src/reach/launch.c src/reach/process_maps.c
COMMAND_LIBS := -ljansson -lm

# One short line per step; V=1 shows the commands, -s nothing.
Q := $(if $(V),,@)
say = @$(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),:,echo "  $(1) $@")

object = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(1))

PRELOAD := $(BUILD)/libseepline-preload.so
COMMAND := $(BUILD)/seepline

all: $(COMMAND) $(PRELOAD) $(BUILD)/bench/measure

$(COMMAND): $(call object,$(COMMAND_SOURCES))
	$(call say,link)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(COMMAND_LIBS)

# nodelete: the allocator must outlive every dlclose (FACTS: a module is
# unloaded before the last frees).
$(PRELOAD): $(call object,$(PRELOAD_SOURCES))
	$(call say,link)
	$(Q)$(CC) -shared -Wl,-z,nodelete -Wl,-z,now $(LDFLAGS_ALL) -o $@ $^ -ldl -lpthread

$(BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(call say,compile)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/bench/measure: bench/measure.c
	@mkdir -p $(@D)
	$(call say,compile)
	$(Q)$(CC) -std=c11 -O2 -Wall -Wextra -o $@ $<

include test/test.mk

bench: all
	bench/run $(BENCH_OPTIONS)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/seepline
	install -m 755 $(COMMAND) $(DESTDIR)$(PREFIX)/bin/seepline
	install -m 755 $(PRELOAD) $(DESTDIR)$(PREFIX)/lib/seepline/

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
	@echo 'make bench         what recording costs; BENCH_OPTIONS="--quick" and others, see bench/README.md'
	@echo 'make install       PREFIX=/usr/local DESTDIR='
	@echo 'make clean'

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

.PHONY: all bench install clean help
