#!/usr/bin/perl
# The drop-in for the script utilsMemoryLeakDetector: its global, its methods, its rows, and the console command of a
# Dota 2 addon.
use strict;
use warnings;
use Test::More;
use SeepTest qw(vms show_json rows_of scratch run_lua execute seepline_path module_environment spew);

my $folder = scratch();
my $number = qr/\d+(?:\.\d+)?/;
my $row = qr/^MemoryDump \[MEM: ($number)K\] \[COUNT: (\d+) \] \[AVG: ($number) k\] (\S+)\@(\d+):$/;

sub lines_of {
    my ($vm, $text, %options) = @_;
    my $result = run_lua($vm, "if jit then jit.off() end $text", %options);
    is($result->{status}, 0, 'it ends well') or diag $result->{err}, $result->{out};
    is($result->{err}, '', 'and is quiet');
    return split /\n/, $result->{out};
}

# [MEM, COUNT, AVG, source, line] of each row; fails on a line that is none.
sub rows_in {
    my (@lines) = @_;
    my @rows;
    for my $line (@lines) {
        if ($line =~ $row) { push @rows, [$1, $2, $3, $4, $5] } else { fail("a row: $line") }
    }
    return @rows;
}

sub check_rows {
    my (@rows) = @_;
    my @mem = map { $_->[0] } @rows;
    is_deeply(\@mem, [sort { $b <=> $a } @mem], 'largest MEM first');
    is(scalar(grep { abs($_->[0] / $_->[1] - $_->[2]) > 1e-9 * $_->[0] } @rows), 0, 'AVG is MEM by COUNT');
    my %places = map { ("$_->[3]:$_->[4]" => 1) } @rows;
    is(scalar(keys %places), scalar(@rows), 'one row for a line');
}

sub test_rows {
    my ($vm) = @_;
    my @lines = lines_of($vm, <<'LUA', name => 'rows.lua');
require "utilsMemoryLeakDetector"
local kept = {}
for i = 1, 1000 do
  kept[i] = { i, "text " .. i }
end
for i = 1, 300 do kept[i].more = { {}, {} } end
for i = 1, 1000 do local t = { i } end
collectgarbage() collectgarbage() collectgarbage("stop")
utilsMemoryLeakDetector:ShowRecord(2)
print("all")
utilsMemoryLeakDetector:ShowRecord()
print("dot")
utilsMemoryLeakDetector.ShowRecord(1)
print("many")
utilsMemoryLeakDetector:ShowRecord(100000)
print("none")
utilsMemoryLeakDetector:ShowRecord(0)
utilsMemoryLeakDetector:ShowRecord(-3)
print(pcall(function() utilsMemoryLeakDetector:ShowRecord("x") end))
print(pcall(function() utilsMemoryLeakDetector:ShowRecord({}) end))
LUA
    my %part;
    my $name = 'two';
    for my $line (@lines) {
        if ($line =~ /^(all|dot|many|none)$/) { $name = $1; next }
        push @{$part{$name}}, $line;
    }
    my @two = rows_in(@{$part{two}});
    is(scalar(@two), 2, 'as many rows as asked for');
    check_rows(@two);
    is("$two[0][3]\@$two[0][4]", '@rows.lua@4', 'the source keeps its @, and the line is right');
    cmp_ok($two[0][1], '>=', 2000, 'COUNT has the blocks');
    is("$two[1][3]\@$two[1][4]", '@rows.lua@6', 'the second');
    my @all = rows_in(@{$part{all}});
    cmp_ok(scalar(@all), '<=', 30, '30 rows when nobody says how many');
    check_rows(@all);
    is_deeply([grep { $_->[3] !~ /rows\.lua$/ } @all], [], 'of the program alone');
    my @dot = rows_in(@{$part{dot}});
    is("$dot[0][3] $dot[0][4] $#dot", "$two[0][3] $two[0][4] 0", 'called with a dot');
    check_rows(rows_in(@{$part{many}}));
    like($part{none}[0], qr/^false\trows\.lua:19: bad argument #1 to 'ShowRecord' \(a number of rows expected, got string\)$/, 'a wrong count');
    like($part{none}[1], qr/^false\trows\.lua:20: bad argument #1 to 'ShowRecord' \(a number of rows expected, got table\)$/, 'another');
    is(scalar(@{$part{none}}), 2, 'no rows are no rows');
}

# The numbers are those of the capture, line by line.
sub test_numbers {
    my ($vm) = @_;
    unlink glob "$folder/seepline.numbers.lua.*";
    my @lines = lines_of($vm, <<'LUA', name => 'numbers.lua');
local detector = require "utilsMemoryLeakDetector"
print(detector == utilsMemoryLeakDetector)
local kept = {}
for i = 1, 777 do
  kept[i] = { i }
end
detector:StopRecord()
detector:ShowRecord(1)
LUA
    is(shift @lines, 'true', 'require gives the global');
    my ($path) = glob "$folder/seepline.numbers.lua.*.seep";
    my ($first) = rows_in(@lines);
    my ($line) = rows_of(scalar(show_json($path, '--by', 'line')), sub { ($_->{file} // '') eq 'numbers.lua' && $_->{line} == 5 });
    is($first->[4], 5, 'the line');
    is($first->[0] * 1024, $line->{live_bytes}, 'MEM is live KiB');
    is($first->[1], $line->{live_count}, 'COUNT is live blocks');
    cmp_ok($first->[1], '>=', 777, 'and they are the tables');
}

sub test_toggle {
    my ($vm) = @_;
    my @lines = lines_of($vm, <<'LUA', name => 'toggle.lua');
require "utilsMemoryLeakDetector"
local seepline = require "seepline"
local function say() print(seepline.stats().recording) end
say()
utilsMemoryLeakDetector:StartRecord() say()
utilsMemoryLeakDetector:StartRecord() say()
utilsMemoryLeakDetector:EndRecord() say()
utilsMemoryLeakDetector:EndRecord() say()
utilsMemoryLeakDetector.StartRecord() say()
utilsMemoryLeakDetector.StopRecord() say()
utilsMemoryLeakDetector:StartRecord() say()
local kept = {}
for i = 1, 50 do kept[i] = {} end
utilsMemoryLeakDetector:EndRecord(1) say()
utilsMemoryLeakDetector:StopRecord(nil)
package.loaded.utilsMemoryLeakDetector = nil
require "utilsMemoryLeakDetector" say()
LUA
    my ($shown) = grep { /MemoryDump/ } @lines;
    is_deeply([grep { !/MemoryDump/ } @lines], [qw(true false true false false true false true false true)],
        'recording from require on; start while it records stops it');
    like($shown // '', qr/\@toggle\.lua\@13:$/, 'an end with a count prints, as an older script did');
}

my $dota = <<'LUA';
local commands = {}
IsInToolsMode = function() return TOOLS end
FCVAR_CHEAT = 16384
Convars = {}
function Convars:RegisterCommand(name, callback, help, flags)
  assert(self == Convars and type(help) == "string" and flags == FCVAR_CHEAT)
  commands[name] = callback
end
LUA

sub test_dota {
    my ($vm) = @_;
    my @lines = lines_of($vm, "TOOLS = true $dota" . <<'LUA', name => 'dota.lua');
require "utilsMemoryLeakDetector"
kept = {}
for i = 1, 3000 do
  kept[i] = { i }
end
local long = {}
for i = 1, 60 do long[i] = (loadstring or load)(("\n"):rep(i) .. "return { {} }", "=chunk" .. i)() end
local command = commands["debug_dump_lua_memory_detail"]
print("plain") command("debug_dump_lua_memory_detail")
print("number") command("debug_dump_lua_memory_detail", "3")
print("wrong") command("debug_dump_lua_memory_detail", "many")
print("zero") command("debug_dump_lua_memory_detail", "0")
print("empty") command("debug_dump_lua_memory_detail", "")
print("stopped") utilsMemoryLeakDetector:EndRecord() command(nil, 2)
LUA
    my (%part, $name);
    for (@lines) { if (/^[a-z]+$/) { $name = $_ } else { push @{$part{$name}}, $_ } }
    is(scalar(rows_in(@{$part{plain}})), 30, '30 rows without an argument');
    is((rows_in(@{$part{plain}}))[0][4], 12, 'with the right line first') or diag $part{plain}[0];
    is(scalar(rows_in(@{$part{number}})), 3, 'as many as the argument says');
    for my $wrong (qw(wrong zero)) {
        like(shift @{$part{$wrong}}, qr/^utilsMemoryLeakDetector: debug_dump_lua_memory_detail takes a number of rows, not '(?:many|0)'$/, "a $wrong one is said");
        is(scalar(rows_in(@{$part{$wrong}})), 30, 'and 30 rows come');
    }
    is(scalar(rows_in(@{$part{empty}})), 30, 'an empty argument is none');
    is(scalar(rows_in(@{$part{stopped}})), 2, 'it works after the end');
    my @none = lines_of($vm, "TOOLS = false $dota" . 'require "utilsMemoryLeakDetector" print(next(commands))', name => 'dota2.lua');
    is_deeply(\@none, ['nil'], 'no command outside of tools mode');
    my @half = lines_of($vm, 'IsInToolsMode = function() error("not to be called") end require "utilsMemoryLeakDetector" print("fine")', name => 'dota3.lua');
    is_deeply(\@half, ['fine'], 'nor in a host that has half of it');
}

# Guarded globals, replaced functions, nowhere to write: the program goes on.
sub test_surroundings {
    my ($vm) = @_;
    my @lines = lines_of($vm, <<'LUA', name => 'strict.lua');
local write, error, tostring = io.write, error, tostring
local got = {}
setmetatable(_G, {
  __newindex = function(_, name) error("assignment to undeclared " .. tostring(name), 2) end,
  __index = function(_, name) error("undeclared " .. tostring(name), 2) end,
})
rawset(_G, "debug", nil)
rawset(_G, "collectgarbage", nil)
require "utilsMemoryLeakDetector"
rawset(_G, "print", function(...) got[#got + 1] = ... end)
for _, name in ipairs { "string", "math", "pcall", "error", "tostring", "tonumber", "type", "rawset" } do rawset(_G, name, nil) end
local kept = {}
for i = 1, 100 do kept[i] = { i } end
utilsMemoryLeakDetector:ShowRecord(3)
utilsMemoryLeakDetector:EndRecord()
write(got[1] or "none", "\n")
LUA
    is(scalar(@lines), 1, 'nothing but what the program printed');
    like($lines[0], $row, 'through its own print');
    {
        my $env = module_environment($vm);
        spew("$folder/nowhere.lua", 'require "utilsMemoryLeakDetector" kept = {} utilsMemoryLeakDetector:ShowRecord(3) utilsMemoryLeakDetector:EndRecord() print("goes on")');
        my $result = execute([$vm, "$folder/nowhere.lua"], cwd => '/proc', env => $env);
        is($result->{status}, 0, 'a folder that cannot be written');
        like($result->{out}, qr{^utilsMemoryLeakDetector: /proc/seepline\.nowhere\.lua\.\d+\.seep: .*give out a place that can be written\nutilsMemoryLeakDetector: nothing is recorded yet: call seepline\.start\(\) first\ngoes on\n$}, 'is said, and the program goes on');
    }
}

sub test_under_run {
    my ($vm) = @_;
    spew("$folder/both.lua", <<'LUA');
local before = {} for i = 1, 2000 do before[i] = { {} } end
require "utilsMemoryLeakDetector"
if jit then jit.off() end
local kept = {}
for i = 1, 100 do
  kept[i] = { i }
end
collectgarbage() collectgarbage() collectgarbage("stop")
utilsMemoryLeakDetector:ShowRecord(1)
utilsMemoryLeakDetector:EndRecord()
for i = 1, 100 do kept[i] = nil end
collectgarbage()
utilsMemoryLeakDetector:ShowRecord(1)
LUA
    my $result = execute([seepline_path(), 'run', '--no-summary', '-o', "$folder/both.seep", $vm, 'both.lua'], cwd => $folder, env => module_environment($vm));
    my @lines = split /\n/, $result->{out};
    is(scalar(@lines), 2, 'two rows');
    like($lines[0], qr/\@both\.lua\@6:$/, 'what came since require');
    my @seen = rows_in(@lines);
    is($seen[1][4], 6, 'and what the end saw');
    cmp_ok($seen[1][1], '>=', 100, 'though it is gone since');
    ok(show_json("$folder/both.seep")->{complete}, "and run's capture is whole");
}

for my $vm (vms()) {
    subtest "$vm: $_->[0]" => sub { $_->[1]->($vm) }
        for ['rows', \&test_rows], ['numbers', \&test_numbers], ['toggle', \&test_toggle], ['Dota 2', \&test_dota],
            ['surroundings', \&test_surroundings], ['under run', \&test_under_run];
}

done_testing();
