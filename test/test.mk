# The tests. Unit tests are C programs with cmocka, one per module; the rest are
# Perl files that drive the command as a user does. prove runs them all.
#
# TESTS: some of them. LUA, INCLUDE: another interpreter (and its headers)
# instead of the five packaged ones.

UNIT_SOURCES := $(wildcard test/unit/test_*.c)
UNIT_TESTS := $(patsubst test/unit/%.c,$(BUILD)/test/%,$(UNIT_SOURCES))
TESTS ?= $(UNIT_TESTS) $(sort $(wildcard test/house/*.t test/cli/*.t test/real/*.t))

# A unit test is linked with everything but entry points.
UNIT_OBJECTS := $(filter-out $(BUILD)/obj/cli/main.o,$(sort $(call object,$(HOST_SOURCES) $(COMMAND_SOURCES))))

$(BUILD)/test/%: test/unit/%.c $(UNIT_OBJECTS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(UNIT_OBJECTS) -lcmocka $(COMMAND_LIBS) -ldl -lpthread

test: all $(UNIT_TESTS)
	@CMOCKA_MESSAGE_OUTPUT=TAP BUILD=$(abspath $(BUILD)) LUA=$(LUA) INCLUDE=$(INCLUDE) \
	  prove --timer --merge -j 2 -I test/lib --ext .t $(TESTS)

.PHONY: test
