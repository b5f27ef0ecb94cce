#!/usr/bin/perl
# seepline.check: what is left over from every round is an error that names line, stack and numbers; anything else is
# silence, and everything is put back.
use strict;
use warnings;
use Test::More;
use SeepTest qw(root vms lua_version have_command module_environment scratch run_lua execute seepline_path show_json spew);

my $folder = scratch();

# Runs a script that must end well; returns the lines that it printed.
sub lines_of {
    my ($vm, $text, %options) = @_;
    my $result = run_lua($vm, $text, env => { TMPDIR => $folder }, %options);
    is($result->{status}, 0, 'it ends well') or diag $result->{err}, $result->{out};
    is($result->{err}, '', 'and is quiet');
    is_deeply([glob "$folder/seepline-check.*"], [], 'and leaves no file');
    return split /\n/, $result->{out};
}

my $head = <<'LUA';
local seepline = require "seepline"
local function try(name, f, options)
  local done, message = pcall(function()
    seepline.check(f, options)
  end)
  print(name .. ": " .. (done and "fine" or tostring(message):gsub("\n", " / ")))
end
LUA

my %innocent = (
    nothing     => 'try("nothing", function() end)',
    garbage     => 'try("garbage", function() for i = 1, 100 do local t = { {}, tostring(i), function() return i end } end end)',
    replaced    => 'local last try("replaced", function() last = { {} } end)',
    bounded     => 'local cache, n = {}, 0 try("bounded", function() for i = 1, 100 do n = n + 1 cache[n % 30] = { n } end end)',
    once        => 'local made try("once", function() made = made or { {}, {} } end)',
    warmup      => 'local n, list = 0, {} try("warmup", function() n = n + 1 if n <= 2 then list[n] = { {} } end end)',
    late        => 'local n, big = 0 try("late", function() n = n + 1 if n == 5 then big = ("x"):rep(1e6) end end)',
    sometimes   => 'local n, chain = 0 try("sometimes", function() n = n + 1 if n % 2 == 0 then chain = { chain } end end)',
    strings     => 'local n = 0 try("strings", function() for i = 1, 3000 do n = n + 1 local s = "string number " .. n end end)',
    weak        => 'local n, weak = 0, setmetatable({}, { __mode = "k" }) try("weak", function() n = n + 1 weak[{ n }] = { n } end)',
    coroutines  => 'try("coroutines", function() for i = 1, 20 do local co = coroutine.wrap(function() coroutine.yield({}) end) co() end end)',
    finalizers  => 'local count = 0 local mt = { __gc = function() count = count + 1 end } try("finalizers", function() for i = 1, 10 do '
                 . 'if newproxy then getmetatable(newproxy(true)).__gc = mt.__gc else setmetatable({ {} }, mt) end end end)',
    loading     => 'try("loading", function() for i = 1, 20 do (loadstring or load)("local t = {} return function() return t end")() end end)',
    hot         => 'try("hot", function() local s = 0 for i = 1, 500 do s = s + #tostring(i) if i % 7 == 0 then s = s + math.floor(i / 3) end end return s end)',
    errors      => 'try("errors", function() for i = 1, 30 do pcall(error, { i }) end end)',
    deep        => 'local function deep(n) if n == 0 then return {} end return { deep(n - 1) } end try("deep", function() deep(150) end)',
    shrinking   => 'local list = {} for i = 1, 5000 do list[i] = { i } end try("shrinking", function() for i = 1, 100 do list[#list] = nil end end)',
);

sub test_innocent {
    my ($vm) = @_;
    my @lines = lines_of($vm, $head . join('', map { "do $innocent{$_} end\n" } sort keys %innocent));
    is_deeply(\@lines, [map { "$_: fine" } sort keys %innocent], 'no false alarm');
}

# What holds the memory, where it is known: a buffer has no holder of its own.
my $held = qr/(?:, held by [^;]+?)?/;

my @leaks = (
    [listener => <<'LUA', qr/^listener: leaks\.lua:4: check: leaks \d+ bytes in [12] blocks? per round at leaks\.lua:11 \(on\), called from leaks\.lua:15, held by main thread → local 'listeners' of main chunk \(leaks\.lua\)\[\*\]; over 8 rounds$/],
local listeners = {}
local function on(f)
  listeners[#listeners + 1] = { f }
end
local f = function() end
try("listener", function()
  on(f)
end)
LUA
    [three => <<'LUA', qr/^three: leaks\.lua:4: check: leaks \d+ bytes in 3 blocks per round at leaks\.lua:11$held; over 8 rounds$/],
local list, n = {}, 0
try("three", function()
  for i = 1, 3 do n = n + 1 list[n] = setmetatable({}, nil) end
end)
LUA
    [entries => <<'LUA', qr/^entries: leaks\.lua:4: check: leaks \d+ bytes in a growing block per round at leaks\.lua:10$held; over 8 rounds$/],
local flags = {}
try("entries", function() for i = 1, 7 do flags[#flags + 1] = true end end)
LUA
    [keys => <<'LUA', qr/^keys: leaks\.lua:4: check: leaks \d+ bytes in a growing block per round at leaks\.lua:10$held; over 20 rounds$/],
local map, n = {}, 0.5
try("keys", function() n = n + 1 map[n] = true end, { rounds = 20 })
LUA
    [closures => <<'LUA', qr/^closures: leaks\.lua:4: check: leaks \d+ bytes in \d blocks per round at leaks\.lua:10$held; over 8 rounds$/],
local chain
try("closures", function() local before = chain chain = function() return before end end)
LUA
    [strings => <<'LUA', qr/^strings: leaks\.lua:4: check: leaks \d+ bytes in 1 block per round at leaks\.lua:10$held; over 8 rounds$/],
local names, n = {}, 0
try("strings", function() n = n + 1 names[n] = "a rather long name for a string " .. n end)
LUA
    [coroutines => <<'LUA', qr/^coroutines: leaks\.lua:4: check: leaks \d+ bytes in \d+ blocks? per round at leaks\.lua:1[12]\b.*; over 8 rounds$/],
local kept = {}
try("coroutines", function()
  local co = coroutine.create(function() local t = {} coroutine.yield(t) end)
  kept[#kept + 1] = co coroutine.resume(co)
end)
LUA
    [registry => <<'LUA', qr/^registry: leaks\.lua:4: check: leaks \d+ bytes in \d+ blocks per round at leaks\.lua:9 \(make\), called from leaks\.lua:11 \(inner\) ← leaks\.lua:12 \(outer\) ← leaks\.lua:13$held \/.*; over 8 rounds$/],
local function make(owner) return { owner = owner } end
local all = {}
local function inner(x) local t = make(x) all[t] = true return t end
local function outer() local t = inner(5) return t end
try("registry", function() local t = outer() end)
LUA
    [two => <<'LUA', qr{^two: leaks\.lua:4: check: leaks \d+ bytes in \d blocks? per round at leaks\.lua:13$held / +and \d+ bytes in \d blocks? per round at leaks\.lua:12$held; over 8 rounds$}],
local list = {}
try("two",
  function()
  list[#list + 1] = {}
  list[#list + 1] = { {}, {} }
end)
LUA
);

sub test_leaks {
    my ($vm) = @_;
    for my $leak (@leaks) {
        my ($name, $text, $wanted) = @$leak;
        my @lines = lines_of($vm, "$head\n$text", name => 'leaks.lua');
        is(scalar(@lines), 1, $name);
        like($lines[0], $wanted, 'line, stack and numbers');
    }
}

# Without the command there is no holder, and nothing else changes.
sub test_no_command {
    my ($vm) = @_;
    my $result = run_lua($vm, "$head\n$leaks[0][1]", name => 'leaks.lua', env => { TMPDIR => $folder, SEEPLINE_COMMAND => '/nonexistent/seepline' });
    like($result->{out}, qr/called from leaks\.lua:15; over 8 rounds$/, 'no command: no holder');
    is($result->{err}, '', 'and no complaint');
    return;
}

# The numbers are those of the objects.
sub test_numbers {
    my ($vm) = @_;
    my @lines = lines_of($vm, <<'LUA');
local seepline = require "seepline"
local list, n = {}, 0
for i = 1, 100 do list[i] = false end
collectgarbage() collectgarbage("stop")
local before = collectgarbage("count")
local one = {}
print(string.format("%d", (collectgarbage("count") - before) * 1024))
local function first() n = n + 1
  list[n] = {}
end
local function second()
  list[n + 50] = {}
end
print(pcall(seepline.check, function() first() second() end))
LUA
    my $size = shift @lines;
    like($lines[0], qr/leaks $size bytes in 1 block per round at \S+:9 \(first\), called from \S+:14, held by main thread → local 'list' of main chunk \(\S+\)\[\*\]$/, 'a table of each line');
    like($lines[1], qr/^  and $size bytes in 1 block per round at \S+:12 \(second\), called from \S+:14, held by main thread → local 'list' of main chunk \(\S+\)\[\*\]; over 8 rounds$/, 'and of the other');
}

# Collector, recording, errors: all is put back.
sub test_restored {
    my ($vm) = @_;
    my @lines = lines_of($vm, <<'LUA', name => 'restored.lua');
local seepline = require "seepline"
local function grows()
  collectgarbage() collectgarbage("restart")
  return nil
end
local kept = {}
local function is_collecting()
  local before = collectgarbage("count")
  for i = 1, 200000 do kept[i % 10] = { i } end
  return collectgarbage("count") - before < 8000
end
print("running", is_collecting())
seepline.check(function() end)
print("running", is_collecting())
collectgarbage("stop")
seepline.check(function() end)
print("stopped", not is_collecting())
pcall(seepline.check, function() error("x") end)
print("stopped", not is_collecting())
collectgarbage("restart")
seepline.check(function() collectgarbage("stop") end)
print("running", is_collecting())
print(seepline.stats().recording, seepline.stop())
local object = {}
print(select(2, pcall(seepline.check, function() error(object) end)) == object)
print(select(2, pcall(seepline.check, function() error("mine", 0) end)))
local rounds = 0
print(seepline.check(function() rounds = rounds + 1 end, { rounds = 5 }), rounds)
rounds = 0
pcall(seepline.check, function() rounds = rounds + 1 if rounds == 3 then error("x") end end)
print(rounds)
print(pcall(coroutine.wrap(function() return seepline.check(function() end) end)))
print((select(2, coroutine.resume(coroutine.create(function() seepline.check(coroutine.yield) end)))))
seepline.start { out = "restored.seep" }
print(seepline.check(function() end), seepline.stats().recording)
print(pcall(seepline.check, function() kept[#kept + 1] = {} end))
print(seepline.stats().recording, seepline.stats().path)
print(seepline.stop())
print(seepline.check(setmetatable({}, { __call = function() end })))
if jit then print(jit.status()) jit.off() seepline.check(function() end) print((jit.status())) jit.on() end
LUA
    my @wanted = ("running\ttrue", "running\ttrue", "stopped\ttrue", "stopped\ttrue", "running\ttrue",
        "false\tnil\tnot recording: it was never started", 'true', 'mine', "true\t5", '3', "true\ttrue");
    is_deeply([@lines[0 .. $#wanted]], \@wanted, 'collector, recording and errors');
    splice @lines, 0, scalar @wanted;
    like(shift @lines, qr/attempt to yield/, 'a function that yields is told so');
    is(shift @lines, "true\ttrue", 'while something is recorded already');
    like(shift @lines, qr/^false\t.*check: leaks \d+ bytes in 1 block per round at restored\.lua:\d+$held; over 8 rounds/, 'there it finds leaks as well');
    is(shift @lines, "true\t$folder/restored.seep", 'and the recording goes on');
    is(shift @lines, "$folder/restored.seep", 'until it is stopped');
    is(shift @lines, 'true', 'what can be called is a function');
    like(shift @lines, qr/^true/, "LuaJIT's compiler is on again") if @lines;
    is_deeply(\@lines, ['false'], 'or stays off') if @lines;
    ok(show_json("$folder/restored.seep")->{complete}, 'the capture is whole');
}

sub test_under_run {
    my ($vm) = @_;
    spew("$folder/under.lua", "$head local list = {}\ntry('leak', function()\n list[#list + 1] = {}\nend)\n try('none', function() end)");
    my $result = execute([seepline_path(), 'run', '--no-summary', '-o', "$folder/under.seep", $vm, 'under.lua'],
        cwd => $folder, env => { %{module_environment($vm)}, TMPDIR => $folder });
    like($result->{out}, qr/^leak: under\.lua:4: check: leaks \d+ bytes in 1 block per round at under\.lua:10$held; over 8 rounds\nnone: fine\n$/, 'found');
    ok(show_json("$folder/under.seep")->{complete}, "and run's capture is whole");
}

# What cannot be checked must not pass.
sub test_bad_world {
    my ($vm) = @_;
    my $text = "print(pcall(function()\nrequire('seepline').check(function() end)\nend))";
    my $result = run_lua($vm, $text, name => 'bad.lua', env => { TMPDIR => "$folder/no/such" });
    is($result->{out}, "false\tbad.lua:2: check: $folder/no/such: no file can be made here: set TMPDIR to a folder that can be written\n",
        'nowhere for the recording');
    my @lines = lines_of($vm, "require('seepline').start{ mode = 'sample', out = 'sample.seep' }\n$text", name => 'bad.lua');
    is($lines[0], "false\tbad.lua:3: check: every allocation is needed, and this process records in another mode than exact",
        'a recording that samples');
}

# The example, as its first lines say.
sub test_busted {
    my ($vm) = @_;
    plan skip_all => 'busted is not there' unless have_command('busted');
    my $env = module_environment($vm);
    my %paths = (LUA_PATH => root() . "/examples/spec/?.lua;$env->{LUA_PATH}");
    my $result = execute([$vm, '/usr/bin/busted', '-o', 'TAP', root() . '/examples/spec'], cwd => $folder, env => { %$env, %paths });
    plan skip_all => "busted does not run here: $result->{err}" if $result->{out} !~ /^1\.\./m;
    is($result->{status}, 1, 'one test fails');
    my @verdicts = $result->{out} =~ /^((?:not )?ok)/mg;
    is_deeply(\@verdicts, ['ok', 'not ok', 'ok'], 'the one that leaks') or diag $result->{out}, $result->{err};
    like($result->{out}, qr/check: leaks \d+ bytes in \d blocks per round at \S*sessions\.lua:6 \(new_timer\), called from \S*sessions\.lua:11 \(sessions\.start\) ← \S*sessions_spec\.lua:21/,
        'and it says where');
}

for my $vm (vms()) {
    subtest "$vm: $_->[0]" => sub { $_->[1]->($vm) }
        for ['innocent', \&test_innocent], ['leaks', \&test_leaks], ['no command', \&test_no_command], ['numbers', \&test_numbers],
            ['restored', \&test_restored], ['under run', \&test_under_run], ['bad world', \&test_bad_world],
            ['busted', \&test_busted];
}

done_testing();
