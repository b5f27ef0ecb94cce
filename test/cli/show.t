#!/usr/bin/perl
# `seepline show`: tables and JSON of captures that are finished, running, or were
# killed.
use strict;
use warnings;
use File::Basename qw(dirname);
use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;
use SeepTest qw(root seepline_path vms execute seepline record show_json scratch slurp spew);

my $folder = scratch();

sub sum {
    my ($key, @rows) = @_;
    my $sum = 0;
    $sum += $_->{$key} // 0 for @rows;
    return $sum;
}

# In a trace of LuaJIT lines are not exact, and the trace takes memory itself.
my $program = spew("$folder/app.lua", <<'LUA');
if jit then jit.off() end local kept = {}
local function make(n) return { n, { n } } end
local function first() for i = 1, 300 do kept[#kept + 1] = make(i) end end
local function second() for i = 1, 200 do kept[#kept + 1] = make(i) end end
first()
second()
for i = 1, 2000 do local s = "garbage " .. i end
for i = 1, 100 do kept[#kept + 1] = "kept " .. i .. ("x"):rep(200) end
collectgarbage()
local co = coroutine.wrap(function() for i = 1, 50 do kept[#kept + 1] = { i } end coroutine.yield() end)
co()
collectgarbage()
collectgarbage()
_G.kept = kept
os.exit(0)
LUA

my %key = (live => 'live_bytes', survivors => 'survivor_bytes', alloc => 'alloc_bytes', growth => 'growth_bytes', peak => 'peak_bytes');

sub is_sorted {
    my ($rows, $key, $name) = @_;
    my @values = map { $_->{$key} // -1 } @$rows;
    my @sorted = sort { $b <=> $a } @values;
    is("@values", "@sorted", $name);
}

sub test_json {
    my ($vm, $capture) = @_;
    my $answer = show_json($capture);
    is($answer->{schema}, 1, 'schema');
    like($answer->{vm}, qr/^(Lua 5\.\d|LuaJIT 2\.\d)$/, 'vm');
    is($answer->{mode}, 'exact', 'mode');
    like($answer->{command}, qr/app\.lua/, 'command');
    like($answer->{started}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'started');
    cmp_ok($answer->{duration_s}, '>=', 0, 'duration');
    ok($answer->{pid} > 0, 'pid');
    ok(JSON::PP::is_bool($answer->{complete}), 'complete is a boolean');
    my $state = $answer->{states}[0];
    is_deeply([map { defined $state->{$_} ? 1 : 0 } qw(id name vm mode totals)], [1, 1, 1, 1, 1], 'a state has all its fields');
    my @missing = grep { !defined $answer->{totals}{$_} } qw(alloc_bytes alloc_count freed_bytes freed_count live_bytes live_count
        peak_bytes growth_bytes vm_bytes epochs minor_collections dropped);
    is("@missing", '', 'totals have all their fields');
    for my $row (@{$answer->{sites}}) {
        @missing = grep { !defined $row->{$_} } qw(file line function type exact alloc_bytes alloc_count live_bytes
            growth_bytes survivor_bytes temporary_count stack);
        last if @missing;
    }
    is("@missing", '', 'rows have all their fields');
    my %seen;
    my @twice = grep { $seen{join '|', $_->{type}, map { "$_->{file}:$_->{line}:$_->{function}:" . ($_->{coroutine} // 0) . ($_->{tail} // 0) } @{$_->{stack}}}++ } @{$answer->{sites}};
    is(scalar @twice, 0, 'each stack and type is one row') or diag(explain($twice[0]));
}

# Rows that are equal in all numbers come in the order of their callers.
sub test_ties {
    my ($vm) = @_;
    my $script = spew("$folder/ties.lua", <<'LUA');
if jit then jit.off() end kept = {}
local function make(i) kept[i] = { i } end
for i = 1, 30 do
  make(i + 200)
  make(i)
  make(i + 100)
  make(i + 400)
  make(i + 300)
end
LUA
    my (undef, $capture) = record($vm, $script);
    my @rows = grep { $_->{type} eq 'table' && $_->{line} == 2 && $_->{file} eq $script } @{show_json($capture)->{sites}};
    is(join(' ', map { $_->{stack}[1]{line} } @rows), '4 5 6 7 8', 'equal rows are in the order of their callers');
}

sub test_sorts {
    my ($vm, $capture) = @_;
    my $default = show_json($capture);
    is_sorted($default->{sites}, 'live_bytes', 'sorted by live bytes');
    for my $sort (sort keys %key) {
        my $answer = show_json($capture, '--sort', $sort);
        is_sorted($answer->{sites}, $key{$sort}, "--sort $sort");
        is(scalar @{$answer->{sites}}, scalar @{$default->{sites}}, 'all rows');
    }
}

sub test_bys {
    my ($vm, $capture) = @_;
    my $all = show_json($capture);
    for my $by (qw(line function type stack state)) {
        my $answer = show_json($capture, '--by', $by);
        is(sum($_, @{$answer->{sites}}), $all->{totals}{$_}, "--by $by: $_ adds up") for qw(live_bytes live_count alloc_bytes freed_bytes growth_bytes survivor_bytes);
        is_deeply($answer->{totals}, $all->{totals}, "--by $by: the same totals");
        is_sorted($answer->{sites}, 'live_bytes', "--by $by: sorted");
    }
    my %lines;
    for my $row (@{$all->{sites}}) {
        my $line = $lines{"$row->{file}:$row->{line}"} //= { live_bytes => 0, alloc_count => 0, exact => 1, types => {}, parts => 0 };
        $line->{live_bytes} += $row->{live_bytes};
        $line->{alloc_count} += $row->{alloc_count};
        $line->{exact} &&= $row->{exact};
        $line->{types}{$row->{type}} = 1 if $row->{alloc_count};
        $line->{parts}++;
    }
    my $by_line = show_json($capture, '--by', 'line');
    is(scalar @{$by_line->{sites}}, scalar keys %lines, '--by line: as many rows as lines');
    for my $row (@{$by_line->{sites}}) {
        my $line = $lines{"$row->{file}:$row->{line}"};
        my $same = $line && $line->{live_bytes} == $row->{live_bytes} && $line->{alloc_count} == $row->{alloc_count}
            && !!$line->{exact} == !!$row->{exact} && !exists $row->{stack}
            && (keys %{$line->{types}} > 1 ? !defined $row->{type} : 1)
            && ($line->{parts} > 1 ? !defined $row->{peak_bytes} : 1);
        ok($same, "line $row->{file}:$row->{line} is the sum of its rows") or diag(explain($row), explain($line));
    }
    my @types = map { $_->{type} } @{show_json($capture, '--by', 'type')->{sites}};
    my %once = map { $_ => 1 } @types;
    is(scalar @types, scalar keys %once, '--by type: each type once');
    my ($function) = grep { ($_->{function} // '') =~ /make/ } @{show_json($capture, '--by', 'function')->{sites}};
    cmp_ok($function->{alloc_count} // 0, '>=', 1000, '--by function: a function with all its lines');
}

sub test_limits {
    my ($vm, $capture) = @_;
    my $all = show_json($capture);
    is(scalar @{show_json($capture, '-n', 3)->{sites}}, 3, '-n 3 with --json');
    is(scalar @{show_json($capture, '-n', 1000000)->{sites}}, scalar @{$all->{sites}}, 'a large -n');
    cmp_ok(scalar @{$all->{sites}}, '>', 30, 'all rows with --json');
    my $table = seepline('show', $capture);
    my $three = seepline('show', $capture, '-n', '3');
    my $rows = sub { scalar grep { /^\s*[\d.]+ ([KMG]i)?B\s+-?[\d,]+\s/ } split /\n/, shift };
    is($rows->($table->{out}), 30, 'a table has 30 rows');
    is($rows->($three->{out}), 3, '-n 3');
    is($table->{err}, '', 'nothing on stderr');
    like($table->{out}, qr/add up to the VM's own count/, 'the ledger');
    like($table->{out}, qr/app\.lua:2\b/, 'lines');
    like($table->{out}, qr/called from/, 'callers');
    unlike($table->{out}, qr/[^\x09\x0a\x20-\x7e\x80-\xff]/, 'no control characters');
    my @long = grep { length($_) > 160 } split /\n/, $table->{out};
    is(scalar @long, 0, 'no endless lines') or diag($long[0]);
}

sub test_usage {
    my ($capture) = @_;
    my @wrong = ([], ['--by', 'nothing', $capture], ['--sort', 'nothing', $capture], ['-n', 'abc', $capture], ['-n', '0', $capture],
        ['-n', '-1', $capture], ['--frobnicate', $capture], [$capture, $capture], ['--by'], ['-n', '1x', $capture]);
    for my $words (@wrong) {
        my $result = seepline('show', @$words);
        is($result->{status}, 2, 'wrong usage: ' . join(' ', map { s/.*\///r } @$words)) or diag($result->{err});
        is($result->{out}, '', 'nothing on stdout');
        isnt($result->{err}, '', 'a message');
    }
    my @cannot = (["$folder/none.seep"], ['999999999'], ['0'], [''], [$$], ['1']);
    for my $words (@cannot) {
        my $result = seepline('show', @$words);
        is($result->{status}, 1, "could not be done: show '" . ($words->[0] =~ s/.*\///r) . "'");
        is($result->{out}, '', 'nothing on stdout');
        is(($result->{err} =~ tr/\n//), 1, 'one line says why');
    }
    my $help = seepline('show', '--help');
    is($help->{status}, 0, '--help');
    like($help->{out}, qr/--sort/, 'says what there is');
    my $full = execute(['sh', '-c', 'exec "$@" >/dev/full', 'sh', seepline_path(), 'show', $capture]);
    is($full->{status}, 1, 'an answer that cannot be written');
    $full = execute(['sh', '-c', 'exec "$@" >/dev/full', 'sh', seepline_path(), 'show', $capture, '--json']);
    is($full->{status}, 1, 'the same with --json');
}

# -- Running and killed programs -----------------------------------------------------------------------------------

# The program prints what it counts and then waits.
my $waiting = spew("$folder/waiting.lua", <<'LUA');
if jit then jit.off() end kept = {}
for i = 1, 5000 do kept[i] = { i } end
for i = 1, 500 do kept[#kept + 1] = "text number " .. i end
collectgarbage()
collectgarbage("stop")
local count = collectgarbage("count")
io.stdout:setvbuf("no")
io.stdout:write(string.format("%.0f\n", count * 1024))
io.read("*l")
io.read("*l")
LUA

# Starts it below `seepline run`; returns (pid of run, pid of the program, what it printed, a way to talk to it).
sub start_waiting {
    my ($vm, $capture, @options) = @_;
    pipe(my $from, my $to) or die;
    pipe(my $in, my $talk) or die;
    my $pid = fork() // die;
    if ($pid == 0) {
        close $talk;
        POSIX::setsid();
        open STDOUT, '>&', $to or die;
        open STDIN, '<&', $in or die;
        exec seepline_path(), 'run', '--no-summary', '-o', $capture, @options, '--lua', $vm, $waiting;
    }
    close $to;
    close $in;
    my $line = <$from>;
    chomp($line //= 'nothing');
    my ($child) = split ' ', slurp("/proc/$pid/task/$pid/children");
    return ($pid, $child, $line, $talk, $from);
}

sub check_waiting {
    my ($name, $answer, $count) = @_;
    return fail("$name: an answer") if !$answer;
    my $totals = $answer->{totals};
    cmp_ok($totals->{live_bytes}, '>=', $count, "$name: what the program counts");
    # Between the count and the wait: a number's text, and a call.
    cmp_ok($totals->{live_bytes}, '<', $count + 12000, "$name: and little more");
    is($totals->{live_bytes}, $totals->{vm_bytes}, "$name: the VM's own count");
    is(sum('live_bytes', @{$answer->{sites}}), $totals->{live_bytes}, "$name: the rows add up");
    my ($row) = grep { $_->{file} =~ /waiting\.lua/ && $_->{type} eq 'table' && $_->{live_count} == 5000 } @{$answer->{sites}};
    ok($row, "$name: the 5000 tables");
}

sub test_running {
    my ($vm) = @_;
    my $capture = "$folder/running.seep";
    unlink $capture;
    my ($pid, $child, $count, $talk, $from) = start_waiting($vm, $capture);
    for my $what ($capture, $child) {
        my ($answer, $result) = show_json($what);
        check_waiting($what eq $child ? 'by PID' : 'by name', $answer, $count);
        ok(!$answer->{complete}, 'not complete') if $answer;
        ok($answer->{running}, 'but running') if $answer;
        my $table = seepline('show', $what);
        like($table->{out}, qr/still running/, 'the table says so');
    }
    my $other = seepline('show', $pid);
    is($other->{status}, 1, 'seepline itself is not a Lua program');
    print {$talk} "go\ngo\n";
    close $talk;
    waitpid $pid, 0;
    is($?, 0, 'the program ends');
    my $answer = show_json($capture);
    ok($answer->{complete}, 'and then the capture is complete');
    ok(!$answer->{running}, 'and no longer running');
    unlike(seepline('show', $capture)->{out}, qr/running|not finished/, 'and the table says nothing of it');
    is(seepline('show', $child)->{status}, 1, 'a process that has ended');
}

sub test_killed {
    my ($vm) = @_;
    my $capture = "$folder/killed.seep";
    unlink $capture;
    my ($pid, $child, $count, $talk, $from) = start_waiting($vm, $capture);
    kill KILL => $child;
    waitpid $pid, 0;
    is($? & 127, 9, 'ends as its program');
    my $answer = show_json($capture);
    check_waiting('after kill -9', $answer, $count);
    ok(!$answer->{complete}, 'not complete') if $answer;
    ok(!$answer->{running}, 'and not running') if $answer;
    like(seepline('show', $capture)->{out}, qr/not finished/, 'the table says so');
    close $talk;
}

# Names that could hurt a terminal, a parser of JSON, or whoever opens them.
sub test_names {
    my ($vm) = @_;
    my ($result, $capture) = record($vm, root() . '/test/programs/chunk_names.lua');
    system('mkfifo', "$folder/fifo") if !-e "$folder/fifo";
    my $answer = show_json($capture);
    ok($answer, 'the JSON is JSON') or return;
    my $json = seepline('show', $capture, '--json')->{out};
    ok(utf8::decode(my $copy = $json), 'and UTF-8');
    my @files = map { $_->{file} } @{$answer->{sites}};
    for my $wanted ('</script><script>alert(1)</script>', "\e[2J\e[31mred\e]0;title\a", "bad\x{fffd}\x{fffd}utf8\x{fffd}\x{fffd}.lua", "with\nnewline\rreturn\tand tab") {
        ok(scalar(grep { $_ eq $wanted } @files), 'a name as it is: ' . ($wanted =~ s/[^ -~]/?/gr));
    }
    for my $options ([], ['--by', 'line'], ['--by', 'stack'], ['--by', 'function'], ['-n', '1000']) {
        my $table = seepline('show', $capture, '-n', '1000', @$options)->{out};
        unlike($table, qr/[\x00-\x09\x0b-\x1f\x7f]/, "@$options: no control characters in a table");
        unlike($table, qr/\xc2[\x80-\x9f]/, 'nor in UTF-8');
        ok(utf8::decode($table), 'and all is UTF-8');
        like($table, qr/\\x1b/, 'they are escaped');
    }
    my $hostile = spew("$folder/hostile.lua", <<"LUA");
local load = loadstring or load
kept = {}
for i, name in ipairs { "\@$folder/fifo", "\@/dev/zero", "\@/dev/stdin", "\@$folder", "\@/proc/self/mem", "\@" .. ("x/"):rep(3000) } do
  kept[i] = load("local function f() local t = {} return t end return f()", name)()
end
LUA
    (undef, $capture) = record($vm, $hostile);
    $result = seepline('show', $capture, '--json', { timeout => 20 });
    is($result->{status}, 0, 'chunks named like pipes and devices: show does not wait for them');
    is($result->{signal}, 0, 'nor die');
}

for my $vm (vms()) {
    my (undef, $capture) = record($vm, $program);
    subtest "$vm: JSON" => sub { test_json($vm, $capture) };
    subtest "$vm: --sort" => sub { test_sorts($vm, $capture) };
    subtest "$vm: ties" => sub { test_ties($vm) };
    subtest "$vm: --by" => sub { test_bys($vm, $capture) };
    subtest "$vm: tables" => sub { test_limits($vm, $capture) };
    subtest "$vm: a running program" => sub { test_running($vm) };
    subtest "$vm: a killed program" => sub { test_killed($vm) };
    subtest "$vm: names" => sub { test_names($vm) };
}

my (undef, $any) = record((vms())[0], $program);
subtest 'wrong usage' => sub { test_usage($any) };

done_testing();
