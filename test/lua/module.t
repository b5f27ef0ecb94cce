#!/usr/bin/perl
# The Lua module: start in the middle of a program, stop, start again, look, mark; under `seepline run`; and what it
# says to wrong words and a bad world.
use strict;
use warnings;
use JSON::PP qw(decode_json);
use Test::More;
use SeepTest qw(vms seepline seepline_path show_json rows_of scratch slurp spew run_lua execute module_environment);

my $folder = scratch();

# What a compiled trace allocates has the line where it starts: these tests are of lines.
my $interpreted = 'if jit then jit.off() end ';

# Runs a script that must end well; returns the lines that it printed.
sub lines_of {
    my ($vm, $text, %options) = @_;
    my $result = run_lua($vm, $interpreted . $text, %options);
    is($result->{status}, 0, 'it ends well') or diag $result->{err}, $result->{out};
    is($result->{err}, '', 'and is quiet');
    return split /\n/, $result->{out};
}

sub row_at {
    my ($answer, $file, $line, $type) = @_;
    my ($row) = rows_of($answer, sub { ($_->{file} // '') eq $file && $_->{line} == $line && $_->{type} eq $type });
    return $row;
}

# In the middle: what was there is one row, what comes is counted to the byte.
sub test_start {
    my ($vm) = @_;
    my @lines = lines_of($vm, <<'LUA', name => 'start.lua');
local old = {}
for i = 1, 2000 do old[i] = { i, "old" .. i } end
local seepline = require "seepline"
collectgarbage() collectgarbage()
print(seepline.start { out = "start.seep" })
local kept = {}
for i = 1, 500 do
  kept[i] = { name = i }
end
local stats = seepline.stats()
print(stats.recording, stats.live_bytes == stats.vm_bytes, stats.mode, stats.path, stats.states)
for i = 1, 2000 do if i % 2 == 0 then old[i] = nil end end
collectgarbage() collectgarbage()
stats = seepline.stats()
print(stats.live_bytes == stats.vm_bytes, stats.growth_bytes < 0, stats.epochs >= 2)
print(seepline.stop())
print(seepline.stats().recording)
LUA
    is($lines[0], "$folder/start.seep", 'start says where');
    is($lines[1], "true\ttrue\texact\t$folder/start.seep\t1", 'stats while it records: live is what the VM counts');
    is($lines[2], "true\ttrue\ttrue", 'and after old blocks went');
    is($lines[3], "$folder/start.seep", 'stop says where, too');
    is($lines[4], 'false', 'and it is over');
    my $answer = show_json("$folder/start.seep") or return fail('the capture can be read');
    ok($answer->{complete}, 'the capture is sealed');
    is($answer->{totals}{live_bytes}, $answer->{totals}{vm_bytes}, 'its rows add up to the count');
    my $row = row_at($answer, 'start.lua', 8, 'table');
    is($row->{live_count}, 500, 'the tables since are at their line');
    my ($before) = rows_of($answer, sub { ($_->{file} // '') eq '(before recording)' });
    ok($before && $before->{freed_bytes} > 1000 * 40, 'blocks from before that went are off their row') or return;
    is($before->{alloc_bytes} - $before->{freed_bytes}, $before->{live_bytes}, 'which adds up, too');
}

sub test_again {
    my ($vm) = @_;
    my @lines = lines_of($vm, <<'LUA', name => 'again.lua');
local seepline = require "seepline"
local kept = {}
for round = 1, 3 do
  print(seepline.start())
  print(seepline.start())
  for i = 1, 100 do kept[#kept + 1] = { round } end
  print(seepline.stop())
  print(seepline.stop())
end
print(seepline.start { out = "same.seep" }) print(seepline.stop())
print(seepline.start { out = "same.seep" }) print(seepline.stop())
for i = 1, 300 do
  seepline.start { out = "same.seep" }
  kept[#kept + 1] = { i }
  seepline.stop()
end
LUA
    my @paths;
    for my $round (0 .. 2) {
        my ($path, $second, $stopped, $twice) = splice @lines, 0, 4;
        like($path, qr{^\Q$folder\E/seepline\.again\.lua\.\d+(?:\.\d)?\.seep$}, 'the default name');
        is($second, "nil\talready recording", 'a second start');
        is($stopped, $path, 'stop');
        is($twice, "nil\tnot recording: it was stopped already", 'a second stop');
        push @paths, $path;
    }
    is(scalar(keys %{{ map { $_ => 1 } @paths }}), 3, 'each recording has a file of its own');
    for my $path (@paths) {
        my $row = row_at(scalar(show_json($path)) // {sites => []}, 'again.lua', 6, 'table');
        is($row && $row->{alloc_count}, 100, 'with what happened in its time');
    }
    is($lines[0], "$folder/same.seep", 'an earlier capture is overwritten');
    is($lines[2], "$folder/same.seep", 'and again');
    is(row_at(scalar(show_json("$folder/same.seep")), 'again.lua', 14, 'table')->{alloc_count}, 1, 'the last of 300 is whole');
}

sub test_end {
    my ($vm) = @_;
    my $code = $interpreted . 'local s = require "seepline" s.start { out = "end.seep" } local t = {} for i = 1, 100 do t[i] = { i } end local f = function() return t end ';
    for my $end ('', 'os.exit(3)', 'error("oh")', 'coroutine.wrap(function() os.exit(4) end)()') {
        unlink "$folder/end.seep";
        my $result = run_lua($vm, "$code $end", name => 'end.lua');
        my $answer = show_json("$folder/end.seep");
        ok($answer && $answer->{complete}, "nobody stopped it: sealed at the end ($end)");
        is(row_at($answer, 'end.lua', 1, 'table')->{alloc_count}, 101, 'and whole');
    }
    my $result = run_lua($vm, "$code os.execute('kill -9 \$PPID') while true do end", name => 'end.lua', timeout => 10);
    is($result->{signal}, 9, 'killed');
    my $answer = show_json("$folder/end.seep");
    is($answer && row_at($answer, 'end.lua', 1, 'table')->{alloc_count}, 101, 'and still whole');
}

sub test_looking {
    my ($vm) = @_;
    my @lines = lines_of($vm, <<'LUA', name => 'looking.lua');
local seepline = require "seepline"
print(seepline.show())
print(seepline.top())
print(seepline.mark())
print(seepline.stats().recording)
seepline.start { out = "looking.seep" }
local kept = {}
local function keep(n)
  for i = 1, n do
    kept[#kept + 1] = { i }
  end
end
keep(100)
local rows = seepline.top(500)
local tables, sum = nil, 0
for _, row in ipairs(rows) do
  sum = sum + row.live_bytes
  if row.file == "looking.lua" and row.line == 10 and row.type == "table" then tables = row end
end
print(#seepline.top(2), tables.live_count, tables["function"], tables.exact, tables.peak_bytes >= tables.live_bytes)
print(#tables.stack, tables.stack[1].line, tables.stack[2].line, tables.stack[2]["function"])
print(sum == seepline.stats().live_bytes or "live has moved on")
for _, row in ipairs(seepline.top(500, { by = "line" })) do
  if row.line == 10 then print(row.source, row.stack, row.live_count > 100) end
end
local first = seepline.top(1, { by = "type", sort = "alloc" })[1]
print(first.type, first.line)
local m = seepline.mark()
keep(50)
for _, row in ipairs(seepline.since(m)) do
  if row.line == 10 and row.type == "table" then print("since", row.live_count, row.alloc_count, row.freed_count) end
end
kept = nil
collectgarbage() collectgarbage()
local live, made, freed = 0, 0, 0
for _, row in ipairs(seepline.since(m, 500)) do
  if row.line == 10 and row.type == "table" then
    live, made, freed = live + row.live_count, made + row.alloc_count, freed + row.freed_count
  end
end
print("freed", live, made, freed)
local printed = {}
local real = print
print = function(line) printed[#printed + 1] = line end
local shown = seepline.show(3)
print = real
print(shown, #printed > 5, printed[1]:match("looking%.lua"), table.concat(printed, "\n"):match("TYPE%s+LINE"))
seepline.stop()
print(#seepline.top(3), seepline.show(1) and "shown")
print(seepline.since(m))
seepline.start { out = "looking2.seep" }
print(seepline.since(m))
print(#seepline.leaks())
LUA
    @lines = grep { !/^ |^$|SURVIVORS|^The rows|, pid \d+\)$|^~|allocated|more rows/ } @lines;
    my $nothing = "nil\tnothing is recorded yet: call seepline.start() first";
    is_deeply([@lines[0, 1]], [$nothing, $nothing], 'show and top before start');
    is($lines[2], "nil\tnot recording: call seepline.start() first", 'mark before start');
    is($lines[3], 'false', 'stats before start');
    like($lines[4], qr/^2\t(\d+)\tkeep\t(?:true|false)\ttrue$/, 'top');
    like($lines[5], qr/^[23]\t10\t13\tmain chunk$/, 'with its stack');
    ok($lines[6], 'sums');
    is($lines[7], "\@looking.lua\tnil\ttrue", 'by line');
    like($lines[8], qr/^\w+\tnil$/, 'by type');
    is($lines[9], "since\t50\t50\t0", 'since a mark');
    is($lines[10], "freed\t-100\t50\t150", 'and what went');
    is($lines[-5], "true\ttrue\tlooking.lua\tTYPE      LINE", 'show prints through the global print') or diag join "\n", @lines;
    is($lines[-4], "3\tshown", 'after stop one can still look');
    is($lines[-3], "nil\tnot recording: call seepline.start() first", 'but nothing grows');
    is($lines[-2], "nil\tthe mark is of another recording, which was stopped", 'a mark of another recording');
    is($lines[-1], '0', 'leaks');
}

sub test_arguments {
    my ($vm) = @_;
    my @cases = (
        ['start(5)', "#1 to 'start' (table expected, got number)"],
        ['start{ mod = "exact" }', "#1 to 'start' (there is no option 'mod')"],
        ['start{ "exact" }', "#1 to 'start' (options have names; there is one under a number)"],
        ['start{ mode = "fast" }', "#1 to 'start' (option 'mode' takes exact, sample, line, call or count, not 'fast')"],
        ['start{ mode = 1 }', "#1 to 'start' (option 'mode' takes exact, sample, line, call or count, not number)"],
        ['start{ out = {} }', "#1 to 'start' (option 'out' takes a string, not table)"],
        ['start{ out = "" }', "#1 to 'start' (option 'out' is empty)"],
        ['start{ out = "a\\0b" }', "#1 to 'start' (option 'out' is no path: it has a zero byte)"],
        ['start{ interval = -1 }', "#1 to 'start' (option 'interval' takes a whole number from 256 to 1073741824, not -1"],
        ['start{ count = 0 / 0 }', "#1 to 'start' (option 'count' takes a whole number from 1 up, not "],
        ['start{ count = "7" }', "#1 to 'start' (option 'count' takes a whole number from 1 up, not string)"],
        ['show(-1)', "#1 to 'show' (a whole number from 1 up expected, got -1"],
        ['show(1.5)', "#1 to 'show' (a whole number from 1 up expected, got 1.5)"],
        ['show({})', "#1 to 'show' (number expected, got table)"],
        ['top("3")', "#1 to 'top' (number expected, got string)"],
        ['top(3, { by = "size" })', "#2 to 'top' (option 'by' takes row, line, function, type, stack or state, not 'size')"],
        ['since()', "#1 to 'since' (a mark of seepline.mark() expected, got no value)"],
        ['since({})', "#1 to 'since' (a mark of seepline.mark() expected, got table)"],
        ['since(io.stdout)', "#1 to 'since' (a mark of seepline.mark() expected, got userdata)"],
        ['check()', "#1 to 'check' (function expected, got no value)"],
        ['check("x")', "#1 to 'check' (function expected, got string)"],
        ['check(print, { rounds = 1 })', "#2 to 'check' (option 'rounds' takes a whole number from 2 to 1000, not 1"],
        ['check(print, { round = 9 })', "#2 to 'check' (there is no option 'round')"],
        ['check(print, 9)', "#2 to 'check' (table expected, got number)"],
    );
    my $text = "local seepline = require 'seepline'\nlocal function try(f) print((select(2, pcall(f)))) end\n"
             . join('', map { "try(function() seepline.$_->[0] end)\n" } @cases)
             . "print((select(2, pcall(seepline.start, 5))))\nlocal s = seepline.stop\nprint(s())\n";
    my @lines = lines_of($vm, $text, name => 'arguments.lua');
    for my $i (0 .. $#cases) {
        my $wanted = 'arguments.lua:' . ($i + 3) . ': bad argument ' . $cases[$i][1];
        is(substr($lines[$i], 0, length $wanted), $wanted, $cases[$i][0]);
    }
    like($lines[@cases], qr/^arguments\.lua:\d+: bad argument #1 to 'start'/, 'called by pcall itself');
    is($lines[-1], "nil\tnot recording: it was never started", 'stop before start');
}

sub test_world {
    my ($vm) = @_;
    mkdir "$folder/no";
    spew("$folder/precious.txt", 'mine');
    my @lines = lines_of($vm, <<'LUA', name => 'world.lua');
local seepline = require "seepline"
print(seepline.start { out = "nowhere/at/all.seep" })
print(seepline.start { out = "precious.txt" })
print(seepline.start { out = "no" })
print(seepline.start { out = ("x"):rep(5000) })
print(seepline.start { mode = "call", out = "nowhere/at/all.seep" })
print(seepline.start { out = "world.seep" })
os.remove("world.seep")
print(seepline.show(1))
print(seepline.stop())
LUA
    is($lines[0], "nil\t$folder/nowhere/at/all.seep: No such file or directory: give out a place that can be written", 'no folder');
    is($lines[1], "nil\t$folder/precious.txt: there is a file that is no capture: give out another name", 'somebody else\'s file');
    like($lines[2], qr/^nil\t\Q$folder\E\/no: /, 'a folder');
    is($lines[3], "nil\tout: the path is too long", 'a long path');
    is($lines[4], $lines[0], 'in another mode');
    is($lines[5], "$folder/world.seep", 'and then it works');
    is($lines[6], "nil\t$folder/world.seep: No such file or directory", 'the capture was removed');
    is(slurp("$folder/precious.txt"), 'mine', 'the file is as it was');
    my $limited = run_lua($vm, 'print(require("seepline").start{ out = "limited.seep" }) print("goes on")',
        before => ['/bin/sh', '-c', 'ulimit -f 1; exec "$0" "$@"']);
    like($limited->{out}, qr/^nil\t.*limited\.seep: files may be \d+ bytes at most.*\ngoes on\n$/, 'no room for files');
}

# Under `seepline run` the recording is there already: start and stop open and close a view.
sub test_view {
    my ($vm) = @_;
    my $text = <<'LUA';
local seepline = require "seepline"
local early = {}
for i = 1, 300 do early[i] = { i } end
print(seepline.start { out = "ignored.seep" })
print(seepline.start())
local kept = {}
for i = 1, 200 do kept[i] = { i } end
local stats = seepline.stats()
print(stats.view, stats.recording, stats.path == seepline.stop())
print(seepline.stop())
for i = 201, 900 do kept[i] = { i } end
local counts = {}
for _, row in ipairs(seepline.top(500)) do
  if row.type == "table" and row.file == "view.lua" then counts[row.line] = row.live_count end
end
print(counts[3], counts[7], counts[11])
print(seepline.start() ~= nil, seepline.stop() ~= nil)
LUA
    spew("$folder/view.lua", $interpreted . $text);
    my $result = execute([seepline_path(), 'run', '--no-summary', '-o', "$folder/view.seep", $vm, 'view.lua'],
        cwd => $folder, env => module_environment($vm));
    is($result->{err}, '', 'quiet');
    my @lines = split /\n/, $result->{out};
    is($lines[0], "$folder/view.seep", 'start says where `run` records');
    is($lines[1], "nil\talready recording", 'a second start');
    is($lines[2], "true\ttrue\ttrue", 'a view');
    is($lines[3], "nil\tnot recording: it was stopped already", 'a second stop');
    is($lines[4], "nil\t200\tnil", 'a closed view shows what it saw');
    is($lines[5], "true\ttrue", 'and another one can be opened');
    ok(!-e "$folder/ignored.seep", 'no file of its own');
    my $answer = show_json("$folder/view.seep");
    ok($answer->{complete}, "run's capture is complete");
    is($answer->{totals}{live_bytes}, $answer->{totals}{vm_bytes}, 'and adds up');
    is(row_at($answer, 'view.lua', 3, 'table')->{alloc_count}, 300, 'and has what was before and after the view');
}

sub test_coroutines {
    my ($vm) = @_;
    my @lines = lines_of($vm, <<'LUA', name => 'coroutines.lua');
local seepline = require "seepline"
local kept = {}
local co = coroutine.wrap(function()
  local inner = coroutine.wrap(function()
    print(seepline.start { out = "coroutines.seep" })
    kept[1] = { 1 }
    coroutine.yield()
    kept[2] = { 2 }
  end)
  inner()
  kept[3] = { 3 }
  inner()
  coroutine.yield()
  print(seepline.stop())
end)
co()
kept[4] = { 4 }
co()
LUA
    is_deeply(\@lines, [("$folder/coroutines.seep") x 2], 'started in a coroutine, stopped in another');
    my $answer = show_json("$folder/coroutines.seep");
    for my $line (6, 8, 11, 17) {
        is(row_at($answer, 'coroutines.lua', $line, 'table')->{alloc_count}, 1, "the table of line $line");
    }
    my $row = row_at($answer, 'coroutines.lua', 6, 'table');
    is_deeply([map { $_->{line} } grep { $_->{line} } @{$row->{stack}}], [6, 10, 16], 'with the resumers');
    is($answer->{totals}{live_bytes}, $answer->{totals}{vm_bytes}, 'to the byte');
}

# Programs that guard or replace their globals, and chunks that have few.
sub test_surroundings {
    my ($vm) = @_;
    my @lines = lines_of($vm, <<'LUA', name => 'surroundings.lua');
setmetatable(_G, {
  __newindex = function(_, name) error("assignment to undeclared " .. tostring(name), 2) end,
  __index = function(_, name) error("undeclared " .. tostring(name), 2) end,
})
local real_print, traces = print, {}
rawset(_G, "print", function(...) traces[#traces + 1] = ... real_print("mine", ...) end)
rawset(_G, "collectgarbage", function() error("not yours") end)
debug.sethook = function() error("not yours") end
local setfenv, loadstring = rawget(_G, "setfenv"), rawget(_G, "loadstring")
local seepline = require "seepline"
real_print(seepline.start { out = "surroundings.seep" })
local kept = {}
for i = 1, 50 do kept[i] = { i } end
real_print(seepline.show(1))
real_print(seepline.check(function() local t = {} end))
rawset(_G, "print", nil)
real_print(seepline.show(1))
rawset(_G, "debug", nil)
local chunk = [[local seepline, say = ... say(pcall(seepline.check, function() end)) say(#seepline.top(1))]]
real_print(pcall(function()
  local env = { pcall = pcall }
  local f = setfenv and setfenv(loadstring(chunk), env) or load(chunk, "sandboxed", "t", env)
  f(seepline, real_print)
end))
real_print(seepline.stop())
LUA
    is($lines[0], "$folder/surroundings.seep", 'start');
    is(scalar(grep { /^mine\t.*surroundings\.lua/ } @lines), 1, "the program's own print") or diag join "\n", @lines;
    ok((grep { $_ eq "nil\tthere is no global function print to print with" } @lines), 'no print at all');
    ok((grep { $_ eq "true\ttrue" } @lines) >= 1, 'a sandboxed chunk') or diag join "\n", @lines;
    is($lines[-1], "$folder/surroundings.seep", 'stop');
}

# The other modes: what one cannot know is absent.
sub test_modes {
    my ($vm) = @_;
    for my $mode (qw(sample line call count)) {
        my @lines = lines_of($vm, <<'LUA', name => 'modes.lua', arguments => [$mode]);
local seepline = require "seepline"
local mode = ...
for round = 1, 2 do
  print(seepline.start { mode = mode, interval = 1024, count = 50, out = mode .. round .. ".seep" })
  print(seepline.start { mode = mode })
  local kept = {}
  local function keep(n) for i = 1, n do
    kept[#kept + 1] = { name = i, {} }
  end end
  keep(2000)
  local m = seepline.mark()
  coroutine.wrap(function() keep(1000) end)()
  local stats = seepline.stats()
  print(stats.mode, stats.live_bytes ~= nil, stats.gain_bytes ~= nil, stats.vm_bytes > 100000, stats.growth_bytes > 0)
  local top = seepline.top(1, { by = "function" })[1]
  print(top["function"], top.live_bytes ~= nil, top.gain_bytes ~= nil, top.survivor_count ~= nil, top.ci95 ~= nil)
  local since = seepline.since(m, 1, { by = "function" })[1]
  print(since["function"], (since.live_bytes or since.growth_bytes) > 1000 * 100, (since.live_bytes or since.growth_bytes) < 2000 * 300)
  print(select("#", seepline.leaks()), debug.gethook() ~= nil)
  print(seepline.stop(), (debug.gethook()))
  kept = nil
  collectgarbage()
end
LUA
        my $hooks = $mode eq 'sample' ? 'false' : 'true';
        my $blocks = $mode eq 'sample' ? 'true' : 'false';
        for my $round (1, 2) {
            is_deeply([splice @lines, 0, 7], ["$folder/$mode$round.seep", "nil\talready recording",
                "$mode\t$blocks\t$hooks\ttrue\ttrue", "keep\t$blocks\t$hooks\t$blocks\t$blocks", "keep\ttrue\ttrue",
                ($mode eq 'sample' ? 1 : 2) . "\t$hooks", "$folder/$mode$round.seep\tnil"], "mode $mode");
            my $answer = show_json("$folder/$mode$round.seep");
            ok($answer && $answer->{complete}, 'the capture is whole');
            is($answer->{mode}, $mode, 'and says its mode');
        }
    }
}

# A heap snapshot, recorded or not: the command reads it, and nothing is left of the copy.
sub test_snapshot {
    my ($vm) = @_;
    my $program = <<'LUA';
local seepline = require "seepline"
planted = {}
for i = 1, 700 do planted[i] = { "planted" } end
print(seepline.snapshot("plain.heap"))
print(seepline.start { out = "during.seep" })
made = {}
for i = 1, 300 do
  made[i] = { i }
end
print(seepline.snapshot("during.heap"))
print(seepline.snapshot("nowhere/x.heap"))
print(pcall(seepline.snapshot))
local status = io.open("/proc/self/status"):read("*a")
local pid = status:match("Pid:%s*(%d+)")
for line in io.popen("cat /proc/[0-9]*/stat 2>/dev/null"):lines() do
  local name, parent = line:match("%((.*)%) %a (%d+)")
  if parent == pid and name:find("seepline") then print("left", line) end
end
LUA
    my @lines = lines_of($vm, $program, name => 'snapshots.lua');
    is($lines[0], "$folder/plain.heap", 'snapshot says where it is');
    is($lines[2], "$folder/during.heap", 'while it records, too');
    like($lines[3], qr{^nil\t\Q$folder\E/nowhere/x\.heap: the snapshot cannot be written: No such file}, 'where it cannot be written');
    is($lines[4], "false\tsnapshots.lua:12: bad argument #1 to 'snapshot' (path expected, got no value)", 'no path');
    is(scalar @lines, 5, 'and no copy is left');
    my $heap = decode_json(seepline('heap', 'plain.heap', '--json', { cwd => $folder })->{out});
    my ($group) = grep { $_->{path} eq '_G.planted[*]' } @{$heap->{groups}};
    is($group->{count}, 700, 'heap knows a planted table');
    ok(!$group->{site}, 'without lines');
    my $made = decode_json(seepline('path', 'during.heap', 'snapshots.lua:8', '--json', { cwd => $folder })->{out});
    is(scalar(grep { $_->{type} eq 'table' } @{$made->{objects}}), 300, 'a recorded one knows which line made what');
    @lines = lines_of($vm, 'print(require("seepline").snapshot("x.heap"))', env => { SEEPLINE_COMMAND => '/nowhere/seepline' });
    like($lines[0], qr{^nil\t/nowhere/seepline: No such file or directory: .*SEEPLINE_COMMAND}, 'without the command');
}

my $leaking = <<'LUA';
local seepline = require "seepline"
local started = seepline.start { out = "held.seep" }
app = { listeners = {} }
local function add(i)
  app.listeners[#app.listeners + 1] = { id = i, data = {} }
end
for round = 1, 40 do
  for i = 1, 100 do add(i) end
  collectgarbage()
end
local function tell(name, ...)
  local found, message = seepline.leaks(...)
  if not found then return print(name, message) end
  for _, finding in ipairs(found) do
    local paths = {}
    for i, held in ipairs(finding.held_by or {}) do paths[i] = held.path .. " " .. held.count .. " " .. tostring(held.bytes > 50000) end
    if finding.line == 5 then print(name, finding.verdict, table.concat(paths, ", ", 1, math.min(#paths, 2))) end
  end
end
LUA
my $held = "_G.app.listeners[*] 4000 true, _G.app.listeners[*].data 4000 true";

# What holds a leak: asked of the command about a frozen copy; a verdict without it is a verdict.
sub test_held_by {
    my ($vm) = @_;
    my @lines = lines_of($vm, $leaking . <<'LUA', name => 'held.lua');
tell("claims")
coroutine.wrap(function() tell("coroutine", 1) end)()
tell("all", nil, { held_by = true })
tell("none", nil, { held_by = false })
seepline.stop()
tell("stopped")
tell("stopped and asked", nil, { held_by = true })
print(pcall(seepline.leaks, nil, { held_by = 1 }))
LUA
    is_deeply(\@lines, ["claims\tleak\t$held", "coroutine\tleak\t$held", "all\tleak\t$held", "none\tleak\t", "stopped\tleak\t",
        "stopped and asked\twhat holds the memory can be asked while it is recorded alone",
        "false\theld.lua:27: bad argument #2 to 'leaks' (option 'held_by' takes true or false, not number)"], 'what holds a leak');
    @lines = lines_of($vm, $leaking . 'tell("claims") tell("asked", nil, { held_by = true })', name => 'held.lua',
        env => { SEEPLINE_COMMAND => '/nowhere/seepline' });
    is($lines[0], "claims\tleak\t", 'without the command');
    like($lines[1], qr{^asked\t/nowhere/seepline: No such file}, 'which is said to whoever asked');
    return;
}

sub test_held_by_under_run {
    my ($vm) = @_;
    my $script = spew("$folder/held_run.lua", $interpreted . $leaking . 'tell("run")');
    my $result = seepline('run', '--no-summary', '-o', "$folder/held_run.seep", '--lua', $vm, $script,
        { cwd => $folder, env => module_environment($vm) });
    is($result->{out}, "run\tleak\t$held\n", 'under run') or diag $result->{err};
    return;
}

# A program that reaps whatever child ends loses nothing, and learns of nothing that it would wait for.
sub test_snapshot_under_run {
    my ($vm) = @_;
    my $script = spew("$folder/both.lua", 'kept = {} for i = 1, 50 do kept[i] = {} end print(require("seepline").snapshot("both.heap"))');
    my $result = seepline('run', '--no-summary', '-o', "$folder/both.seep", '--lua', $vm, $script,
        { cwd => $folder, env => module_environment($vm) });
    is($result->{out}, "$folder/both.heap\n", 'under run') or diag $result->{err};
    my $made = decode_json(seepline('path', 'both.heap', 'both.lua:1', '--json', { cwd => $folder })->{out});
    cmp_ok(scalar(grep { $_->{type} eq 'table' } @{$made->{objects}}), '>=', 50, 'it is joined with the recording of run');
    ok(-e "$folder/both.heap.seep", 'and run takes its own as well');
}

# What the program itself sees is as always.
sub test_transparency {
    my ($vm) = @_;
    my $program = <<'LUA';
local hooks = 0
if not jit then debug.sethook(function() hooks = hooks + 1 end, "l") end
local t = setmetatable({}, { __mode = "v" })
for i = 1, 200 do t[i] = { i } end
collectgarbage() collectgarbage()
local n = 0 for _ in pairs(t) do n = n + 1 end
print(n, hooks > 0 or jit ~= nil)
debug.sethook()
local gone = 0
local mt = { __gc = function() gone = gone + 1 end }
for i = 1, 10 do
  if newproxy then getmetatable(newproxy(true)).__gc = mt.__gc else setmetatable({}, mt) end
end
collectgarbage() collectgarbage()
print(gone, collectgarbage("count") > 10)
print(pcall(error, { 1 }) == false, select("#", pcall(string.rep)))
print(coroutine.resume(coroutine.create(function(...) return coroutine.yield(...) end), 1, 2))
LUA
    my $plain = run_lua($vm, $program);
    my $recorded = run_lua($vm, "require('seepline').start{ out = 'transparent.seep' }\n$program");
    is($recorded->{out}, $plain->{out}, 'same output');
    is($recorded->{err}, $plain->{err}, 'same errors');
    is($recorded->{status}, $plain->{status}, 'same status');
    my ($small, $large) = map { run_lua($vm, $_) } ('collectgarbage() collectgarbage() local c = string.format("%d", collectgarbage("count") * 1024) print(c)',
        'local s = require("seepline") s.start{ out = "count.seep" } s.stop() collectgarbage() collectgarbage() print(string.format("%d", collectgarbage("count") * 1024))');
    cmp_ok($large->{out} - $small->{out}, '<', 16384, 'what the module itself keeps in the heap is small');
}

for my $vm (vms()) {
    subtest "$vm: $_->[0]" => sub { $_->[1]->($vm) }
        for ['start', \&test_start], ['again', \&test_again], ['end', \&test_end], ['looking', \&test_looking],
            ['arguments', \&test_arguments], ['world', \&test_world], ['view', \&test_view],
            ['coroutines', \&test_coroutines], ['modes', \&test_modes], ['snapshot', \&test_snapshot], ['held by', \&test_held_by], ['held by, under run', \&test_held_by_under_run], ['snapshot under run', \&test_snapshot_under_run], ['surroundings', \&test_surroundings], ['transparency', \&test_transparency];
}

done_testing();
