#!/usr/bin/env perl
# What only local variables of the main chunk held is garbage when the program has ended, and yet the snapshot of the end
# knows who held it: on every VM, in whatever way the chunk ends; and never a variable that did not.

use strict;
use warnings;
use utf8;
use Test::More;
use File::Basename qw(basename);
use FindBin;
use Encode qw(decode_utf8 encode_utf8);
use JSON::PP qw(decode_json);
use lib "$FindBin::Bin/../lib";
use SeepTest qw(root vms seepline scratch spew execute lua_version why_not_recorded);

binmode $_, ':utf8' for Test::More->builder->output, Test::More->builder->failure_output;

my $SCRIPT = root() . '/test/heap/ended.lua';
my $ENDED = "ended main chunk ($SCRIPT) → local";
my $RUNNING = 'main thread → local';

# LuaJIT charges what a compiled trace allocates to the line on which the trace begins.
sub interpreter { return $_[0] =~ /luajit/ ? ($_[0], '-joff') : ($_[0]) }

sub run_script {
    my ($vm, $way, @more) = @_;
    my $capture = scratch() . '/' . basename($vm) . "-$way.seep";
    my $result = seepline('run', '-o', $capture, '--', interpreter($vm), $SCRIPT, $way, @more);
    return ($result, $capture, $capture =~ s/\.seep$/.heap.seep/r);
}

sub held_paths {
    my ($capture) = @_;
    my ($leak) = grep { $_->{line} == 8 && $_->{verdict} eq 'leak' }
        @{decode_json(seepline('leaks', $capture, '--json')->{out})->{verdicts}};
    return [map { $_->{path} } @{$leak->{held_by} // []}];
}

# The path to the table that a string stands in.
sub path_of {
    my ($heap, $content) = @_;
    my $result = seepline('path', $heap, encode_utf8(qq("$content")), '--json');
    return '' if $result->{status} != 0;
    my $object = decode_json($result->{out})->{objects}[0];
    is($object->{reachable}, $object->{path} =~ /^ended/ ? JSON::PP::false : JSON::PP::true, "$content: reachable or not")
        if $object->{path} ne '(unreachable)';
    return $object->{path};
}

sub test_end {
    my ($vm, @more) = @_;
    my ($result, $capture, $heap) = run_script($vm, 'end', @more);
    is($result->{status}, 0, 'it ends');
    like(decode_utf8($result->{err}), qr/^\s+held by \Q$ENDED 'kept'[*]\E: [34],\d{3} objects/m, 'the summary knows the variable');
    is_deeply(held_paths($capture), ["$ENDED 'kept'[*]", "$ENDED 'kept'[*].data"], 'so does leaks');
    is(path_of($heap, 'held by named'), "$ENDED 'named'.first[1]", 'each variable has its own name');
    is(path_of($heap, 'held by late'), "$ENDED 'late'[1][1]", 'those that came last');
    is(path_of($heap, 'held by a global'), '_G.shared[1]', 'what is held has a path of its own');
    ok(path_of($heap, 'of a block') !~ /^ended/, 'a variable that was gone by then holds nothing');
    my $info = decode_json(seepline('heap', $heap, '--json')->{out});
    cmp_ok($info->{unreachable_count}, '>', 8000, 'and all that is garbage');
    is($info->{graph_bytes}, $info->{state_bytes}, 'to the byte');
    my $text = decode_utf8(seepline('path', $heap, encode_utf8("$ENDED 'kept'[7].data"))->{out});
    like($text, qr/^nothing holds it: .*\nwhat held it to the end of a call:\n  \Q$ENDED 'kept'[7].data\E$/m, 'path says both');
    like(decode_utf8(seepline('heap', $heap)->{out}), qr/of which local variables of a call held \S+ [KM]iB in 8,\d{3} until it ended$/m,
        'heap says how much');
    return;
}

sub test_ways {
    my ($vm) = @_;
    my ($result, $capture, $heap) = run_script($vm, 'early');
    is_deeply(held_paths($capture), ["$ENDED 'kept'[*]", "$ENDED 'kept'[*].data"], 'a return in the middle');
    ($result, $capture, $heap) = run_script($vm, 'return');
    is_deeply(held_paths($capture), ["$ENDED 'kept'[*]", "$ENDED 'kept'[*].data"], 'a chunk that returns values');
    # 5.1, 5.2 and LuaJIT collect when a chunk has failed: what counts is what was there before that.
    ($result, $capture, $heap) = run_script($vm, 'error');
    is($result->{status}, 1, 'an error');
    is_deeply(held_paths($capture), ["$ENDED 'kept'[*]", "$ENDED 'kept'[*].data"], 'what it leaves');
    is(path_of($heap, 'held by late'), "$ENDED 'late'[1][1]", 'by the variables of that moment');
    my $rows = decode_json(seepline('show', $capture, '--json')->{out});
    my ($tables) = grep { ($_->{line} // 0) == 8 && $_->{type} eq 'table' } @{$rows->{sites}};
    is($tables->{live_count}, 8000, 'and show has it');
    is($rows->{totals}{live_bytes}, $rows->{totals}{vm_bytes}, 'to the byte');
    ($result, $capture, $heap) = run_script($vm, 'exit');
    is_deeply(held_paths($capture), [map { "$RUNNING 'kept' of main chunk ($SCRIPT)$_" } '[*]', '[*].data'],
        'os.exit: the chunk has not ended');
    ($result, $capture, $heap) = run_script($vm, 'close');
    is($result->{status}, 3, 'os.exit that closes the state');
    my @paths = map { s/^\Q$RUNNING 'kept' of main chunk ($SCRIPT)\E/$ENDED 'kept'/r } @{held_paths($capture)};
    is_deeply(\@paths, ["$ENDED 'kept'[*]", "$ENDED 'kept'[*].data"], 'its variables have their names');
    return;
}

# A chunk that fails in a function that it calls, or returns one value, which can be a function: that of each variable is
# known which was there for sure, and no other; in a stack that has been larger and has moved, too.
sub test_places {
    my ($vm) = @_;
    my $script = spew(scratch() . '/places-' . basename($vm) . '.lua', <<'LUA');
local way, kept = ..., {}
local function put(i) kept[#kept + 1] = {id = i, data = {}} end
for round = 1, 40 do
  for i = 1, 100 do put(i) end
  collectgarbage()
end
local function deep(n) if n == 0 then return {} end local t = {} return deep(n - 1), t end
deep(300)
local before = {"held by before"}
local function fail() error("as planned") end
tostring(before)
if way == "fails" then
  local inner = {"held by inner"}
  local never = fail()
end
local after = {"held by after"}
if way == "function" then return function() end end
if way == "text" then return "one value" end
LUA
    my $ended = "ended main chunk ($script) → local";
    for my $way (qw(fails function text end)) {
        my $capture = scratch() . '/' . basename($vm) . "-places-$way.seep";
        seepline('run', '-o', $capture, '--', interpreter($vm), $script, $way, 1 .. 5);
        my $heap = $capture =~ s/\.seep$/.heap.seep/r;
        my $before = path_of($heap, 'held by before');
        # On LuaJIT one result leaves little: neither that it was one, nor the frame of the last call.
        my $may_be_lost = $vm =~ /jit/ && $way =~ /function|text/ && $before eq '(unreachable)';
        ok($before eq "$ended 'before'[1]" || $may_be_lost, "$way: a variable") or diag $before;
        my $after = path_of($heap, 'held by after');
        my $known = $way eq 'fails' ? qr/^(?!ended)/ : $way eq 'end' ? qr/^\Q$ended 'after'[1]\E$/ : qr/^(?!ended)|\Q$ended 'after'[1]\E$/;
        like($after, $known, "$way: one behind that");
        unlike($_->{path}, qr/'never'/, "$way: no variable that never was") for @{decode_json(seepline('heap', $heap, '--json')->{out})->{groups}};
    }
    return;
}

# A finalizer that lua_close calls collects: what counts is what was there before that.
sub test_collected {
    my ($vm) = @_;
    my ($result, $capture, $heap) = run_script($vm, 'finalizers');
    is($result->{status}, 0, 'it ends');
    ok((grep { $_->{path} eq "$ENDED 'kept'[*]" && $_->{count} == 4000 } @{decode_json(seepline('heap', $heap, '--json')->{out})->{groups}}),
        'the variables of the end are known');
    return;
}

# A program whose chunks collect and go on: only the last one is its end.
sub test_goes_on {
    my ($vm) = @_;
    my $capture = scratch() . '/' . basename($vm) . '-goes-on.seep';
    my $result = seepline('run', '-o', $capture, '--', interpreter($vm), '-e', 'local first = {"held by first"}',
        '-e', 'collectgarbage() collectgarbage() local second = {"held by second"}', $SCRIPT, 'end');
    is($result->{status}, 0, 'it ends');
    is_deeply(held_paths($capture), ["$ENDED 'kept'[*]", "$ENDED 'kept'[*].data"], 'the last chunk has left it');
    my $heap = $capture =~ s/\.seep$/.heap.seep/r;
    is(path_of($heap, "held by $_") =~ /^ended/ ? 1 : 0, 0, "nothing is said of the $_ chunk") for qw(first second);
    return;
}

# A host with a shared liblua calls lua_close: what its last call left.
my $HOST = <<'C';
typedef struct lua_State lua_State;
lua_State *luaL_newstate(void);
void luaL_openlibs(lua_State *);
int luaL_loadfile(lua_State *, const char *), luaL_loadfilex(lua_State *, const char *, const char *);
int lua_pcall(lua_State *, int, int, int), lua_pcallk(lua_State *, int, int, int, long, void *);
void lua_close(lua_State *);
const char *lua_pushstring(lua_State *, const char *);
int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (LOAD(L, argv[1]) != 0 || RUN(L) != 0) return 1;
  for (int i = 2; i < argc; i++) lua_pushstring(L, argv[i]);
  lua_close(L);
  return 0;
}
C

sub test_host {
    my ($library) = @_;
    chomp(my $flags = `pkg-config --cflags --libs $library 2>/dev/null`);
    return plan skip_all => "no $library to compile against" if !$flags;
    my $old = $library =~ /5\.1|jit/;
    my @macros = $old ? ('LOAD(L,f)=luaL_loadfile(L,f)', 'RUN(L)=lua_pcall(L,0,0,0)')
                      : ('LOAD(L,f)=luaL_loadfilex(L,f,0)', 'RUN(L)=lua_pcallk(L,0,0,0,0,0)');
    my $host = scratch() . "/closes-$library";
    spew("$host.c", $HOST);
    system("gcc @{[map { qq('-D$_') } @macros]} -o $host $host.c $flags") == 0 or return fail('it compiles');
    my $result = seepline('run', '-o', "$host.seep", '--', $host, $SCRIPT);
    is($result->{status}, 0, 'it ends');
    is(held_paths("$host.seep")->[0], "$ENDED 'kept'[*]", 'the variable is known');
    seepline('run', '-o', "$host.seep", '--', $host, $SCRIPT, 1 .. 5);
    is_deeply(held_paths("$host.seep"), [], 'not when the host has used the stack since');
    return;
}

my ($unrecorded) = map { why_not_recorded($_) // () } vms();
plan skip_all => $unrecorded if $unrecorded;

for my $vm (vms()) {
    subtest "$vm: end"             => sub { test_end($vm) };
    subtest "$vm: with arguments"  => sub { test_end($vm, 1 .. 40) };
    subtest "$vm: ways to end"     => sub { test_ways($vm) };
    subtest "$vm: places"          => sub { test_places($vm) };
    subtest "$vm: collected since" => sub { test_collected($vm) };
    subtest "$vm: goes on"         => sub { test_goes_on($vm) };
}
if (!$ENV{LUA}) {
    for my $library (qw(lua5.1 lua5.2 lua5.3 lua5.4 luajit)) {
        subtest "$library: a host" => sub { test_host($library) };
    }
}

done_testing();
