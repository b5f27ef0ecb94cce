#!/usr/bin/env perl
# The heap snapshot that `run` takes at the program's end, on every VM: what holds each leak, without the program, its
# parent or its readers noticing.

use strict;
use warnings;
use utf8;
use Test::More;
use File::Basename qw(basename);
use FindBin;
use IPC::Open3 qw(open3);
use JSON::PP qw(decode_json);
use lib "$FindBin::Bin/../lib";
use SeepTest qw(root vms seepline seepline_path scratch slurp spew execute have_command why_not_recorded);

my $LEAKING = root() . '/test/heap/end.lua';
my @PATHS = ('_G.app.listeners[*]', '_G.app.listeners[*].data');

# LuaJIT charges what a compiled trace allocates to the line on which the trace begins.
sub interpreter { return $_[0] =~ /luajit/ ? ($_[0], '-joff') : ($_[0]) }

sub leak_of {
    my (@words) = @_;
    my $result = seepline('leaks', @words, '--json');
    is($result->{status}, 0, "leaks @words") or diag $result->{err};
    my ($leak) = grep { $_->{line} == 4 && $_->{verdict} eq 'leak' } @{decode_json($result->{out})->{verdicts}};
    return $leak;
}

sub holders { return [map { $_->{path} } @{$_[0]{held_by} // []}] }

# No copy is left behind: their maps name the capture.
sub copies_of {
    my ($capture) = @_;
    my @found;
    for my $maps (glob '/proc/[0-9]*/maps') {
        open my $file, '<', $maps or next;
        push @found, $maps if grep { index($_, $capture) >= 0 } <$file>;
    }
    return @found;
}

sub test_ways {
    my ($vm) = @_;
    my %status = (close => 0, exit => 7, error => 1);
    for my $way (sort keys %status) {
        my $capture = scratch() . '/' . basename($vm) . "-$way.seep";
        my $heap = $capture =~ s/\.seep$/.heap.seep/r;
        my $result = seepline('run', '-o', $capture, '--', interpreter($vm), $LEAKING, $way);
        is($result->{status}, $status{$way}, "$way: it ends as it would");
        like($result->{err}, qr/^LEAK .*end\.lua:4 .*\n.*\n\s+held by _G\.app\.listeners\[\*\]: 4,000 objects/m, 'the summary says what holds it');
        like($result->{err}, qr/^Heap: \Q$heap\E /m, 'and where the snapshot is');
        is((stat $heap)[2] & 0777, 0600, 'which is for its user alone');
        my $leak = leak_of($capture);
        is_deeply(holders($leak), \@PATHS, 'leaks knows from it what holds the memory');
        is_deeply([map { $_->{count} } @{$leak->{held_by}}], [4000, 4000], 'and how much');
        my ($site) = grep { ($_->{file} // '') eq $LEAKING && $_->{line} == 4 } @{decode_json(seepline('show', $capture, '--json')->{out})->{sites}};
        is_deeply(holders($site), \@PATHS, 'so does show, for each line');
        my ($buffers) = grep { ($_->{file} // '') eq $LEAKING && $_->{line} == 4 && $_->{type} eq 'buffer' }
            @{decode_json(seepline('show', $capture, '--json')->{out})->{sites}};
        is_deeply([map { [$_->{path}, $_->{count}, $_->{buffers}] } @{$buffers->{held_by}}],
            [[$PATHS[0], 4000, JSON::PP::true], ['_G.app.listeners', 1, JSON::PP::true]], 'buffers are where their tables are');
        my $sum = 0;
        $sum += $_->{bytes} for @{$buffers->{held_by}};
        is($sum, $buffers->{live_bytes}, 'to the byte');
        like(seepline('show', $capture)->{out}, qr/end\.lua:4 .*\n\s+called from .*\n\s+held by \Q$PATHS[0]\E: 4,000 objects, /,
            'for people, too');
        is_deeply([copies_of($capture)], [], 'no copy is left');
        my $info = decode_json(seepline('heap', $heap, '--json')->{out});
        is($info->{pid}, decode_json(seepline('show', $capture, '--json', '-n', 1)->{out})->{pid}, 'it is of the program');
    }
    return;
}

# What lua_close frees first is off the VM's list by then, and in the snapshot all the same.
sub test_first {
    my ($vm) = @_;
    for my $kind (qw(table empty fn co deep_co str short ud proto)) {
        for my $mode (qw(exact sample)) {
            my $base = scratch() . '/' . basename($vm) . "-first-$kind-$mode";
            seepline('run', '--mode', $mode, '-o', "$base.seep", '--', $vm, root() . '/test/heap/first.lua', $kind);
            my $heap = decode_json(seepline('heap', "$base.heap.seep", '--json')->{out});
            is_deeply([grep { $_->{name} =~ /in flight/ } @{$heap->{states}[0]{ledger}}], [], "$kind, $mode: nothing is in flight");
            is(seepline('path', "$base.heap.seep", '_G.last')->{status}, 0, 'the newest object is there');
        }
    }
    return;
}

# One line makes records for all who call it: each stack has its own holders, and a claim those of its caller alone.
sub test_stacks {
    my ($vm) = @_;
    my $base = scratch() . '/' . basename($vm) . '-stacks';
    my $script = spew("$base.lua", <<'LUA');
leaked, recent = {}, {}
local function make(i) return {id = i} end
local function leak(i) leaked[#leaked + 1] = make(i) end
local function remember(i) recent[i % 50 + 1] = make(i) end
for round = 1, 40 do
  for i = 1, 100 do leak(i) remember(i) end
  collectgarbage()
end
LUA
    seepline('run', '-o', "$base.seep", '--', interpreter($vm), $script);
    my @rows = grep { ($_->{line} // 0) == 2 && $_->{type} eq 'table' } @{decode_json(seepline('show', "$base.seep", '--json')->{out})->{sites}};
    my %held = map { $_->{stack}[1]{line} => [map { "$_->{path} $_->{count}" } @{$_->{held_by} // []}] } @rows;
    is_deeply(\%held, {3 => ['_G.leaked[*] 4000'], 4 => ['_G.recent[*] 50']}, 'each stack of a line has its own');
    my ($leak) = grep { $_->{line} == 2 && $_->{verdict} eq 'leak' } @{decode_json(seepline('leaks', "$base.seep", '--json')->{out})->{verdicts}};
    is_deeply(holders($leak), ['_G.leaked[*]'], 'and the claim those of the caller that leaks');
    my ($line) = grep { ($_->{line} // 0) == 2 } @{decode_json(seepline('show', "$base.seep", '--by', 'line', '--json')->{out})->{sites}};
    is_deeply([@{holders($line)}[0, 1]], ['_G.leaked[*]', '_G.recent[*]'], 'the line has all of them');
    return;
}

# A prototype's code, constants and names are blocks of their own, but on LuaJIT.
sub test_prototypes {
    my ($vm) = @_;
    return plan skip_all => 'a prototype is one block there' if $vm =~ /jit/;
    my $base = scratch() . '/' . basename($vm) . '-prototypes';
    my $script = spew("$base.lua", <<'LUA');
local load = loadstring or load
chunks = {}
for i = 1, 500 do
  chunks[i] = load("local a, b = 1, 'x' return function(c) return a, b, c end")
end
LUA
    seepline('run', '-o', "$base.seep", '--', $vm, $script);
    my @rows = grep { ($_->{line} // 0) == 4 && $_->{type} eq 'buffer' } @{decode_json(seepline('show', "$base.seep", '--json')->{out})->{sites}};
    my ($held) = grep { $_->{path} =~ /^_G\.chunks\[\*\]\( → prototype\)\+$/ } map { @{$_->{held_by} // []} } @rows;
    ok($held->{buffers}, 'arrays of prototypes are held where those are');
    cmp_ok($held->{count} // 0, '>=', 500 * 2 * 4, 'all of them');
    return;
}

sub test_without {
    my ($vm) = @_;
    my $base = scratch() . '/' . basename($vm) . '-without';
    my $result = seepline('run', '--no-snapshot', '-o', "$base.seep", '--', interpreter($vm), $LEAKING, 'close');
    unlike($result->{err}, qr/held by|snapshot/i, '--no-snapshot: the summary is silent');
    ok(!-e "$base.heap.seep", 'there is none');
    is_deeply(holders(leak_of("$base.seep")), [], 'and nothing is known');
    spew("$base.heap.seep", 'mine');
    $result = seepline('run', '-o', "$base.seep", '--', interpreter($vm), $LEAKING, 'close');
    like($result->{err}, qr/^No heap snapshot: .*without\.heap\.seep is there, and is no snapshot/m, 'another file of that name');
    is(slurp("$base.heap.seep"), 'mine', 'is not touched');
    is_deeply(holders(leak_of("$base.seep")), [], 'nor read');
    unlink "$base.heap.seep";
    seepline('run', '-o', "$base.seep", '--', interpreter($vm), $LEAKING, 'close');
    ok(-e "$base.heap.seep", 'a snapshot');
    my $whole = slurp("$base.heap.seep");
    spew("$base.heap.seep", substr($whole, 0, length($whole) / 2));
    is_deeply(holders(leak_of("$base.seep")), [], 'that is damaged takes nothing from the verdicts');
    spew("$base.heap.seep", $whole);
    seepline('run', '--no-snapshot', '-o', "$base.seep", '--', interpreter($vm), $LEAKING, 'close');
    is_deeply(holders(leak_of("$base.seep")), [], 'of an earlier recording is left out');
    return;
}

sub wait_for {
    my ($path) = @_;
    for (1 .. 600) {
        return 1 if -e $path;
        select undef, undef, undef, 0.1;
    }
    return;
}

sub test_killed {
    my ($vm) = @_;
    my $base = scratch() . '/' . basename($vm) . '-killed';
    my $pid = open3(my $to, my $from, undef, seepline_path(), 'run', '-o', "$base.seep", '--', interpreter($vm), $LEAKING,
        'killed', "$base.ready");
    ok(wait_for("$base.ready"), 'the program runs') or return;
    kill KILL => decode_json(seepline('show', "$base.seep", '--json', '-n', 1)->{out})->{pid};
    my $said = do { local $/; <$from> };
    waitpid $pid, 0;
    is($? & 127, 9, 'killed: so is run');
    like($said, qr/^No heap snapshot: the program was ended by signal 9$/m, 'and it says that there is no snapshot');
    ok(!-e "$base.heap.seep", 'nor is there one');
    return;
}

# A host that closes its state, then waits for any child, and ends: it must have none.
my $HOST = <<'C';
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
typedef struct lua_State lua_State;
lua_State *luaL_newstate(void);
void luaL_openlibs(lua_State *);
int luaL_loadstring(lua_State *, const char *);
int lua_pcall(lua_State *, int, int, int), lua_pcallk(lua_State *, int, int, int, long, void *);
void lua_close(lua_State *);
int main(void) {
  for (int i = 0; i < 20; i++) {
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_loadstring(L, "kept = {} for i = 1, 200 do kept[i] = {i} end collectgarbage()");
    RUN(L);
    lua_close(L);
    for (int all = 0; all < 2; all++) {
      int status, got = waitpid(-1, &status, all ? __WALL : 0);
      if (got != -1 || errno != ECHILD) printf("a child: %d\n", got);
    }
  }
  puts("done");
  return 4;
}
C

sub test_children {
    my ($library, $run) = @_;
    chomp(my $flags = `pkg-config --cflags --libs $library 2>/dev/null`);
    return plan skip_all => "no $library to compile against" if !$flags;
    my $host = scratch() . "/waits-$library";
    spew("$host.c", $HOST);
    system("gcc '-DRUN(L)=$run' -D_GNU_SOURCE -o $host $host.c $flags") == 0 or return fail('it compiles');
    my $result = seepline('run', '-o', "$host.seep", '--', $host);
    is($result->{out}, "done\n", 'a program that waits for any child has none');
    is($result->{status}, 4, 'and ends as it would');
    is_deeply([copies_of("$host.seep")], [], 'no copy is left');
    return;
}

# Who reads the program's output sees its end when the program ends, not when run does.
sub test_streams {
    my ($vm) = @_;
    my $base = scratch() . '/' . basename($vm) . '-stream';
    my $script = spew("$base.lua", <<'LUA');
kept = {} for i = 1, 1000 do kept[i] = {i} end
collectgarbage()
print("last words")
LUA
    my $result = execute(['sh', '-c', "'@{[seepline_path()]}' run -o $base.seep --lua $vm $script 2>$base.err | cat; echo end"]);
    is($result->{out}, "last words\nend\n", 'a pipe ends with the program');
    is_deeply([copies_of("$base.seep")], [], 'no copy is left');
    return;
}

my ($unrecorded) = map { why_not_recorded($_) // () } vms();
plan skip_all => $unrecorded if $unrecorded;

for my $vm (vms()) {
    subtest "$vm: ways to end"  => sub { test_ways($vm) };
    subtest "$vm: the first"    => sub { test_first($vm) };
    subtest "$vm: stacks"       => sub { test_stacks($vm) };
    subtest "$vm: prototypes"   => sub { test_prototypes($vm) };
    subtest "$vm: none"         => sub { test_without($vm) };
    subtest "$vm: killed"       => sub { test_killed($vm) };
    subtest "$vm: streams"      => sub { test_streams($vm) };
}
if (!$ENV{LUA}) {
    my %run = ('lua5.1' => 'lua_pcall(L,0,0,0)', 'luajit' => 'lua_pcall(L,0,0,0)',
        map { $_ => 'lua_pcallk(L,0,0,0,0,0)' } qw(lua5.2 lua5.3 lua5.4));
    for my $library (sort keys %run) {
        subtest "$library: children" => sub { test_children($library, $run{$library}) };
    }
}

done_testing();
