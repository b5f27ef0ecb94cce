#!/usr/bin/perl
# The modes line, call and count as a user meets them: options, what is shown and
# what is not, collections, coroutines, kill -9, forks, a program with hooks of its
# own, hosts that share their Lua library.
use strict;
use warnings;
use File::Basename qw(basename);
use Test::More;
use SeepTest qw(root seepline_path vms execute seepline record show_json scratch slurp spew captures_at);
use HookTest qw(modes record_mode record_publicly sum);

my $folder = scratch();
my $number = 0;

sub script { my ($text) = @_; return spew("$folder/script" . $number++ . '.lua', $text) }

sub check_sums {
    my ($answer) = @_;
    my $totals = $answer->{totals};
    is(sum('growth_bytes', @{$answer->{sites}}), $totals->{vm_bytes} - $totals->{vm_bytes_at_start}, 'the growth adds up');
}

# -- The command line ------------------------------------------------------------------------------------------------

sub test_options {
    my $script = script('x = {}');
    my %wrong = (
        'an unknown mode' => [['--mode', 'lines'], qr/--mode takes exact, sample, line, call or count, not lines/],
        'a count of nothing' => [['--mode', 'count', '--count', '0'], qr/--count takes a number/],
        'a count that is none' => [['--mode', 'count', '--count', '1e3'], qr/--count takes a number/],
        'a negative count' => [['--mode', 'count', '--count', '-5'], qr/--count takes a number/],
        'a count past all numbers' => [['--mode', 'count', '--count', '99999999999'], qr/--count takes a number/],
        'a count past the VM\'s' => [['--mode', 'count', '--count', '3000000000'], qr/--count takes a number/],
        'a count without its mode' => [['--count', '5'], qr/--count is for --mode count/],
        'a count in another mode' => [['--mode', 'line', '--count', '5'], qr/--count is for --mode count/],
    );
    for my $name (sort keys %wrong) {
        my ($words, $message) = @{$wrong{$name}};
        my $result = seepline('run', @$words, '-o', "$folder/wrong.seep", $script);
        is($result->{status}, 125, "$name is refused");
        like($result->{err}, $message, 'with a reason');
        ok(!-e "$folder/wrong.seep", 'and nothing is started');
    }
}

sub test_show {
    my ($vm) = @_;
    my $script = script("local t = {}\nfor i = 1, 1000 do\n  t[i] = { i }\nend\nprint(#t)\n");
    my %heading = (line => qr/GAINS +TIMES +GROWTH +LINE/, call => qr/GROWTH +\+CALLEES +LINE/, count => qr/GROWTH +SAMPLES +LINE/);
    for my $mode (modes()) {
        my $capture = "$folder/show.$mode.seep";
        my @words = ('run', '--mode', $mode, '-o', $capture, '--lua', $vm, ($mode eq 'count' ? ('--count', '100') : ()), $script);
        my $run = seepline(@words);
        is($run->{out}, "1000\n", "$mode: the program's output");
        like($run->{err}, qr/Mode $mode does not see the blocks: what is live/, 'the summary says what is not known');
        like($run->{err}, qr/\Q(\E.*, $mode, /, 'and in which mode it was recorded');
        like($run->{err}, $heading{$mode}, 'and shows what is');
        like($run->{err}, qr/growth of all rows is that of the VM's own count, to the byte/, 'which adds up');
        unlike($run->{err}, qr/LIVE|SURVIVORS|peak \d/, 'and nothing else');
        my ($answer) = show_json($capture);
        is($answer->{mode}, $mode, 'JSON has the mode');
        is($answer->{states}[0]{mode}, $mode, 'of the state, too');
        is($answer->{interval}, $mode eq 'count' ? 100 : undef, 'and the interval where there is one');
        check_sums($answer);
        for my $key (qw(live_bytes live_count alloc_bytes freed_count peak_bytes survivor_bytes temporary_count type epochs)) {
            is(scalar(grep { exists $_->{$key} } @{$answer->{sites}}, $answer->{totals}, $answer->{states}[0]{totals}), 0, "no $key");
        }
        for my $sort (qw(live survivors peak)) {
            my $refused = seepline('show', $capture, '--sort', $sort);
            is($refused->{status}, 1, "--sort $sort is refused");
            like($refused->{err}, qr/recorded in mode $mode, which does not know that: --sort alloc/, 'with what to do instead');
        }
        my $types = seepline('show', $capture, '--by', 'type');
        is($types->{status}, 1, '--by type is refused');
        like($types->{err}, qr/does not know types/, 'with the reason');
        for my $by (qw(line function stack state)) {
            my ($merged) = show_json($capture, '--by', $by);
            is(sum('growth_bytes', @{$merged->{sites}}), $answer->{totals}{growth_bytes}, "--by $by adds up");
            is(sum('gain_count', @{$merged->{sites}}), $answer->{totals}{gain_count}, 'in gains as well');
        }
        my @gains = map { $_->{gain_bytes} } @{$answer->{sites}};
        is_deeply(\@gains, [sort { $b <=> $a } @gains], 'the largest gains come first');
        my ($by_growth) = show_json($capture, '--sort', 'growth');
        my @growth = map { $_->{growth_bytes} } @{$by_growth->{sites}};
        is_deeply(\@growth, [sort { $b <=> $a } @growth], 'or the largest growth');
    }
}

# -- What is recorded ------------------------------------------------------------------------------------------------

# The last event is not the end of the recording: what came after it counts, too.
sub test_end {
    my ($vm) = @_;
    my $script = script(<<'LUA');
collectgarbage("stop")
io.write(("%.0f"):format(collectgarbage("count") * 1024))
io.stdout:flush()
os.exit(0, { 1, 2, 3 } == nil)
LUA
    for my $mode (modes()) {
        my ($result, $capture) = record_mode($mode, $vm, $script);
        my ($answer) = show_json($capture);
        cmp_ok($answer->{totals}{vm_bytes}, '>', $result->{out}, "$mode: the count at the end is the program's");
        cmp_ok($answer->{totals}{vm_bytes}, '<', $result->{out} + 1000, 'and no other');
        check_sums($answer);
    }
}

sub test_collections {
    my ($vm) = @_;
    my $script = script(<<'LUA');
local kept = {}
for i = 1, 20000 do
  local garbage = { i, { i } }
  if i % 100 == 0 then kept[#kept + 1] = garbage end
  if i % 5000 == 0 then collectgarbage() end
end
os.exit(0)
LUA
    for my $mode (modes()) {
        my ($result, $capture) = record_mode($mode, $vm, $script);
        my ($answer) = show_json($capture, '--by', 'line');
        check_sums($answer);
        cmp_ok($answer->{totals}{loss_bytes}, '>', 100000, "$mode: losses are seen") if $mode eq 'line';
        my ($row) = grep { $_->{line} == 3 && $_->{file} =~ /script/ } @{$answer->{sites}};
        cmp_ok($row->{gain_bytes}, '>', 1000000, 'and gains apart from them') if $mode eq 'line';
        cmp_ok(sum('sample_count', @{$answer->{sites}}), '>', 50, 'samples are counted') if $mode eq 'count' && $vm !~ /jit/;
        is(scalar(grep { $_->{exact} } @{$answer->{sites}}), 0, 'and estimates are marked') if $mode eq 'count';
    }
}

# Of the same allocation both kinds of recording tell the same stack of Lua functions.
sub test_stacks {
    my ($vm) = @_;
    my $script = script(<<'LUA');
if jit then jit.off() end
local kept = {}
local function make(n) kept[n] = { n, n, n } return n end
local function through(f, ...)
  local n = f(...)
  return n
end
local function recursion(n)
  if n == 0 then make(1) return 0 end
  return 1 + recursion(n - 1)
end
make(2)
through(make, 3)
recursion(5)
pcall(through, function()
  make(4)
end)
local co = coroutine.wrap(function(n)
  coroutine.wrap(function() through(make, n) coroutine.yield() make(n + 1) end)()
  local inner = coroutine.create(function() coroutine.yield() make(n + 2) error("gone") end)
  coroutine.resume(inner)
  coroutine.resume(inner)
  make(n + 3)
end)
co(5)
local object = setmetatable({}, { __index = function(_, k) return make(k) end, __add = function(a, b) make(b) return a end })
local _ = object[20], object + 21
table.sort({ 2, 1 }, function(a, b) make(30) return a < b end)
string.gsub("x", "x", function() make(31) end)
LUA
    my %stacks;
    for my $mode ('exact', 'line') {
        my ($result, $capture) = record($vm, $script, { run_options => ['--no-summary', '--mode', $mode] });
        is($result->{status}, 0, "$mode ran") or diag($result->{err});
        my ($answer) = show_json($capture);
        for my $row (grep { ($_->{line} // 0) == 3 } @{$answer->{sites}}) {
            my @lua = grep { $_->{file} ne '[C]' } @{$row->{stack}};
            # LuaJIT tells hooks of tail calls, and nobody else.
            $stacks{$mode}{join ' < ', map { $_->{line} . ($_->{tail} && $vm !~ /jit/ ? 't' : '') } @lua} = 1;
        }
    }
    is_deeply([sort keys %{$stacks{line}}], [sort keys %{$stacks{exact}}], 'the stacks are those of mode exact');
}

# Coroutines that are switched all the time, deep stacks, many errors.
sub test_wild {
    my ($vm) = @_;
    my $script = script(<<'LUA');
local function deep(n) local t = { n } if n > 0 then return 1 + deep(n - 1) end return #t end
print(deep(400))
local pool = {}
for i = 1, 50 do
  pool[i] = coroutine.create(function()
    while true do
      local ok = pcall(function() local t = { i } if i % 3 == 0 then error(t) end coroutine.yield(t) end)
      if not ok then coroutine.yield({}) end
    end
  end)
end
for round = 1, 40 do
  for i = 1, 50 do coroutine.resume(pool[(i * 7 + round) % 50 + 1]) end
end
print(select("#", pcall(string.rep, {})), pcall(error, nil))
print(coroutine.wrap(function() return deep(300) end)())
for i = 1, 20 do local co = coroutine.create(function() deep(20) error({}) end) coroutine.resume(co) end
LUA
    my $plain = execute([$vm, $script]);
    for my $mode (modes()) {
        for my $publicly (0, 1) {
            my ($result, $capture) = $publicly ? record_publicly($mode, $vm, $script) : record_mode($mode, $vm, $script);
            is($result->{out}, $plain->{out}, $mode . ($publicly ? ' by the public API' : '') . ': output');
            is($result->{status}, 0, 'status');
            my ($answer) = show_json($capture);
            check_sums($answer);
            next if $mode eq 'count';
            ok((grep { $_->{truncated} } @{$answer->{sites}}), 'deep stacks are cut');
            cmp_ok((sort { $b <=> $a } map { scalar @{$_->{stack}} } @{$answer->{sites}})[0], '<=', 256, 'to 256 frames');
        }
    }
}

# -- The program's own hooks -----------------------------------------------------------------------------------------

sub test_takeover {
    my ($vm) = @_;
    my %program = (
        'on the running thread' => 'debug.sethook(function() end, "l")',
        'taken off again' => 'debug.sethook(function() end, "l") debug.sethook()',
        'only taken off' => 'debug.sethook()',
        'in a coroutine' => 'coroutine.wrap(function() debug.sethook(function() end, "l") end)()',
    );
    for my $name (sort keys %program) {
        my $script = script("local kept = {}\nfor i = 1, 100 do\n  kept[i] = { i }\nend\n$program{$name}\n"
            . "for i = 1, 100 do\n  kept[i] = { i, i, i }\nend\nprint(debug.gethook())\n");
        my $plain = execute([$vm, $script]);
        for my $mode (modes()) {
            next if $mode eq 'count' && $name eq 'in a coroutine' && $vm !~ /jit/; # nobody sees that
            my ($result, $capture) = record_mode($mode, $vm, $script);
            is($result->{out} =~ s/0x\w+//gr, $plain->{out} =~ s/0x\w+//gr, "$mode, $name: the program sees its own hook");
            my ($answer) = show_json($capture, '--by', 'line');
            ok(!$answer->{complete}, 'the capture is not complete');
            like($answer->{problem}, qr/debug(\.sethook| hook)/, 'and says why');
            check_sums($answer);
            my ($before) = grep { $_->{line} == 3 && $_->{file} =~ /script/ } @{$answer->{sites}};
            cmp_ok($before->{gain_bytes}, '>', 5000, 'what was recorded before is there') if $mode eq 'line';
            is(scalar(grep { $_->{line} == 7 && $_->{file} =~ /script/ } @{$answer->{sites}}), 0, 'and nothing after') if $mode eq 'line';
        }
    }
    my ($result) = record_mode('line', $vm, script('print(debug.gethook())'));
    like($result->{out}, qr/^external hook/, 'debug.gethook says that there is a hook');
}

# -- Ends and forks --------------------------------------------------------------------------------------------------

sub test_kill {
    my ($vm) = @_;
    my $script = script("local x = {}\nfor i = 1, 5000 do\n  x[i] = { i }\nend\nos.execute('kill -KILL \$PPID')\nwhile true do end\n");
    for my $mode (modes()) {
        my ($result, $capture) = record_mode($mode, $vm, $script, { timeout => 20 });
        is($result->{signal}, 9, "$mode: it was killed");
        my ($answer, $show) = show_json($capture);
        ok($answer, 'the capture can be read') or diag($show->{err}), next;
        ok(!$answer->{complete}, 'and is not complete');
        check_sums($answer);
        next if $mode ne 'line';
        my ($row) = grep { $_->{line} == 3 } @{$answer->{sites}};
        cmp_ok($row->{gain_bytes}, '>', 100000, 'nothing is lost');
    }
}

sub flags {
    my ($library) = @_;
    my $result = execute(['pkg-config', '--cflags', '--libs', $library]);
    return $result->{status} == 0 ? $result->{out} =~ s/\n/ /gr : undef;
}

# Shared libraries of Lua, threads, forks, states by the hundred, resumes from C.
sub test_host {
    my ($library) = @_;
    my $flags = flags($library) // return plan skip_all => "no $library to compile against";
    my $host = "$folder/host-$library";
    my $compiled = execute(['sh', '-c', "gcc -g -O1 -w -o $host " . root() . "/test/cli/host.c $flags -lpthread -ldl -lm"]);
    is($compiled->{status}, 0, 'it compiles') or return diag($compiled->{err});
    for my $case (qw(states threads thread-states wandering fork fork-twice fork-exit vfork allocator resumes nested-resumes)) {
        my $plain = execute([$host, $case]);
        my $base = "$folder/$library-$case";
        my $result = execute([seepline_path(), 'run', '--mode', 'line', '--no-summary', '-o', "$base.seep", $host, $case]);
        is($result->{out}, $plain->{out}, "$case: stdout");
        is($result->{status}, $plain->{status}, 'status');
        my @captures = captures_at("$base*.seep");
        cmp_ok(scalar @captures, '>', $case eq 'fork-twice' ? 1 : 0, 'captures are there');
        for my $capture (@captures) {
            my ($answer, $show) = show_json($capture);
            ok($answer, 'the capture can be read') or diag($show->{err}), next;
            check_sums($answer);
        }
        my ($public, $capture) = record_publicly('line', $host, $case);
        is($public->{out}, $plain->{out}, 'stdout by the public API alone');
        my ($answer) = show_json($capture);
        check_sums($answer);
    }
}

subtest 'options' => \&test_options;
for my $vm (vms()) {
    my $test = sub { my ($name, $code) = @_; subtest "$vm: $name" => sub { $code->($vm) } };
    $test->('show', \&test_show);
    $test->('the end', \&test_end);
    $test->('collections', \&test_collections);
    $test->('stacks', \&test_stacks);
    $test->('wild', \&test_wild);
    $test->('hooks of the program', \&test_takeover);
    $test->('kill', \&test_kill);
}
if (!$ENV{LUA}) {
    subtest "host of $_" => sub { test_host($_) } for qw(lua5.1 lua5.2 lua5.3 lua5.4 luajit);
}

done_testing();
