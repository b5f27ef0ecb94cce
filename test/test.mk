# The tests. Unit tests are C programs with cmocka, one per module; the rest are
# Perl files that drive the command as a user does. prove runs them all.
#
# TESTS: some of them. LUA, INCLUDE: another interpreter (and its headers)
# instead of the five packaged ones.

UNIT_SOURCES := $(wildcard test/unit/test_*.c)
UNIT_TESTS := $(patsubst test/unit/%.c,$(BUILD)/test/%,$(UNIT_SOURCES))
# Programs of ours that black-box tests run.
TEST_DRIVERS := $(BUILD)/test/damage $(BUILD)/test/fuzz-heap
BLACK_BOX_TESTS := $(sort $(wildcard test/house/*.t test/cli/*.t test/names/*.t test/lines/*.t test/heap/*.t test/verdict/*.t test/lua/*.t test/real/*.t))
TESTS ?= $(UNIT_TESTS) $(BLACK_BOX_TESTS)

# A unit test is linked with everything but entry points.
UNIT_OBJECTS := $(filter-out $(BUILD)/obj/cli/main.o $(BUILD)/obj/reach/preload.o, \
  $(sort $(call object,$(HOST_SOURCES) $(COMMAND_SOURCES))))

$(BUILD)/test/%: test/unit/%.c $(UNIT_OBJECTS)
	@mkdir -p $(@D)
	$(call say,link)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(UNIT_OBJECTS) -lcmocka $(COMMAND_LIBS) -ldl -lpthread

$(BUILD)/test/fuzz-heap: test/fuzz/heap.c $(UNIT_OBJECTS)
	@mkdir -p $(@D)
	$(call say,link)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(UNIT_OBJECTS) $(COMMAND_LIBS) -ldl -lpthread

# A module that reads the heap of the interpreter it is loaded into: one for each Lua.
PROBE_OBJECTS := $(call object,$(wildcard src/base/*.c) $(wildcard src/vm/*heap*.c) \
  src/vm/image.c $(wildcard src/heap/graph*.c) src/heap/image_graph.c src/heap/snapshot_write.c src/reach/maps.c src/reach/self_image.c)
PROBES := $(if $(INCLUDE),$(BUILD)/test/probe-given.so,$(patsubst %,$(BUILD)/test/probe-%.so,lua5.1 lua5.2 lua5.3 lua5.4 luajit))
$(BUILD)/test/probe-given.so: PROBE_FLAGS = -I$(INCLUDE)
$(BUILD)/test/probe-%.so: PROBE_FLAGS = $(shell pkg-config --cflags $*)
$(BUILD)/test/probe-%.so: test/heap/probe.c $(PROBE_OBJECTS)
	@mkdir -p $(@D)
	$(call say,link)
	$(Q)$(CC) $(CFLAGS_ALL) $(PROBE_FLAGS) $(LDFLAGS_ALL) -shared -Wl,-z,nodelete -o $@ $< $(PROBE_OBJECTS) -lzstd

PROVE = CMOCKA_MESSAGE_OUTPUT=TAP BUILD=$(abspath $(BUILD)) LUA=$(LUA) INCLUDE=$(INCLUDE) \
  prove --timer -j 2 -I test/lib --ext .t

test: all $(UNIT_TESTS) $(TEST_DRIVERS) $(PROBES)
	@$(PROVE) $(TESTS)

# The same tests with a build that stops at the first bad access or undefined
# behaviour. The recorded interpreters are not built so; the library in them is.
ASAN_BUILD := $(BUILD)/asan
check-asan:
	@$(MAKE) --no-print-directory BUILD=$(ASAN_BUILD) OPTIMISE="-O1 -g" \
	  SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" \
	  asan-test TESTS="$(TESTS_ASAN)"
asan-test: all $(UNIT_TESTS) $(TEST_DRIVERS) $(PROBES)
	@ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0:abort_on_error=1 $(PROVE) $(or $(TESTS_ASAN),$(UNIT_TESTS) $(BLACK_BOX_TESTS))

# Every test program recorded under valgrind, on every VM, and the command and
# the unit tests as well. Takes a quarter of an hour.
check-valgrind: all $(UNIT_TESTS)
	@BUILD=$(abspath $(BUILD)) test/valgrind/check $(UNIT_TESTS)

# A thousand seeded recordings of one program on every VM, whose intervals must
# cover the truth as often as they promise, and the same in memory with up to
# thousands of samples. Takes ten minutes.
check-sampling: all $(BUILD)/test/test_estimate
	@SEEP_SAMPLING_LONG=1 $(BUILD)/test/test_estimate
	@SAMPLING_RUNS=1000 $(PROVE) --verbose test/cli/sampling.t

# Is `leaks` right? Programs of which one knows whether they leak, judged on every
# VM (test/verdict/README.md). Takes some ten minutes.
verdict: all
	test/verdict/run $(VERDICT_OPTIONS)

.PHONY: test verdict check-sampling check-asan asan-test check-valgrind
