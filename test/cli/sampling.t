#!/usr/bin/perl
# Mode sample: the program does the same, epochs and survivors are those of mode
# exact, and the estimates cover what mode exact says. SAMPLING_RUNS: how many
# seeded runs are taken for that (make check-sampling takes 1000).
use strict;
use warnings;
use File::Basename qw(basename dirname);
use Test::More;
use SeepTest qw(vms execute seepline record show_json rows_of programs scratch spew);

use constant TIMEOUT_S => 20;

my $folder = scratch();
my $number = 0;
my $runs = $ENV{SAMPLING_RUNS} // 40;

sub sampled {
    my ($vm, $program, $interval, %options) = @_;
    return record($vm, $program, { run_options => ['--no-summary', '--mode', 'sample', '--interval', $interval], %options });
}

sub program { return spew("$folder/program" . $number++ . '.lua', $_[0]) }

sub sum {
    my ($key, @rows) = @_;
    my $sum = 0;
    $sum += $_->{$key} // 0 for @rows;
    return $sum;
}

# The rows of a line of the test's own program.
sub at_line {
    my ($answer, $line) = @_;
    return rows_of($answer, sub { $_[0]{line} == $line && ($_[0]{file} // '') =~ /program\d+\.lua/ });
}

# -- Usage ---------------------------------------------------------------------------------------------------------

sub test_usage {
    my ($vm) = @_;
    my $program = program('print("ran")');
    for my $wrong ('', 'x', '10', '255', '-1', '512kk', '512q', '2G', '99999999999999999999', '0x1000', ' 512') {
        my $result = seepline('run', '--mode', 'sample', '--interval', $wrong, '--lua', $vm, $program);
        is($result->{status}, 125, "--interval '$wrong' is refused");
        like($result->{err}, qr/--interval takes/, 'and it says why');
        is($result->{out}, '', 'the program is not started');
    }
    my $result = seepline('run', '--interval', '512k', '--lua', $vm, $program);
    is($result->{status}, 125, '--interval alone is refused');
    for my $right (['256' => 256], ['512k' => 524288], ['2M' => 2097152], ['1G' => 1073741824], ['64K' => 65536]) {
        my ($ran, $capture) = sampled($vm, $program, $right->[0]);
        is($ran->{out}, "ran\n", "--interval $right->[0]");
        my $answer = show_json($capture);
        is($answer->{mode}, 'sample', 'mode');
        is($answer->{interval}, $right->[1], 'interval');
    }
    my ($ran, $capture) = record($vm, $program, { run_options => ['--mode', 'sample'] });
    is(show_json($capture)->{interval}, 524288, 'the default');
    like($ran->{err}, qr/a sample every 512 KiB/, 'the summary says that it is sampled');
    like($ran->{err}, qr/95 %/, 'and how certain it is');
}

# -- What every answer holds ---------------------------------------------------------------------------------------

my @counters = qw(alloc_bytes alloc_count live_bytes live_count survivor_bytes survivor_count);

sub check_row {
    my ($row) = @_;
    my @wrong;
    push @wrong, 'allocated - freed = live' if $row->{alloc_bytes} - $row->{freed_bytes} != $row->{live_bytes};
    push @wrong, 'blocks' if $row->{alloc_count} - $row->{freed_count} != $row->{live_count};
    push @wrong, 'survivors are live' if $row->{survivor_bytes} > $row->{live_bytes} || $row->{survivor_count} > $row->{live_count};
    push @wrong, 'temporaries were freed' if ($row->{temporary_count} // 0) > $row->{freed_count};
    for my $key (@counters) {
        my ($low, $high) = @{$row->{ci95}{$key}};
        push @wrong, "$key in its interval" if $low > $row->{$key} || $row->{$key} > $high || $low < 0;
    }
    return @wrong;
}

sub check_answer {
    my ($answer) = @_;
    my ($totals, @rows) = ($answer->{totals}, @{$answer->{sites}});
    my @wrong = map { check_row($_) } @rows, $totals;
    is("@wrong", '', scalar(@rows) . ' rows hold');
    is(scalar(grep { exists $_->{growth_bytes} || exists $_->{peak_bytes} } @rows), 0, 'what is not known is absent');
    for my $key (@counters, qw(freed_bytes freed_count)) {
        is(sum($key, @rows), $totals->{$key}, "the rows' $key add up");
    }
    is($answer->{states}[0]{mode}, 'sample', 'the state says its mode');
}

sub check_program {
    my ($vm, $program) = @_;
    my %options = (stdin => "a line for the program\n", cwd => dirname($program), timeout => TIMEOUT_S);
    my $name = basename($program);
    my $plain = execute([$vm, $name], %options);
    my ($result, $capture) = sampled($vm, $name, '1k', %options);
    ok(!$result->{signal}, 'ends by itself') or diag("signal $result->{signal}");
    is($result->{out}, $plain->{out}, 'stdout');
    is($result->{err} =~ s/0x[0-9a-f]+/0x/gr, $plain->{err} =~ s/0x[0-9a-f]+/0x/gr, 'stderr');
    is($result->{status}, $plain->{status}, 'status');
    my ($answer, $show) = show_json($capture);
    ok($answer, 'the capture can be read') or return diag($show->{err});
    ok($answer->{complete}, 'and is complete');
    check_answer($answer);
}

# -- Blocks so large that all are sampled --------------------------------------------------------------------------

my $prelude = 'if jit then jit.off() end collectgarbage() collectgarbage("stop") '
    . 'if _VERSION == "Lua 5.4" then collectgarbage("incremental") collectgarbage("stop") end '
    . 'kept = {} local function some() local t = {} for i = 1, 10 do t[i] = { i } end return t end';

my $large = <<"LUA";
$prelude
for i = 1, 50 do kept[i] = ("x"):rep(20000 + i) end
some() collectgarbage()
for i = 1, 30 do kept[i] = nil end
some() collectgarbage()
some() collectgarbage()
for i = 51, 60 do kept[i] = ("y"):rep(20000 + i) end
some() collectgarbage()
for i = 31, 35 do kept[i] = nil end
some() collectgarbage() collectgarbage()
some()
LUA

sub test_certain {
    my ($vm) = @_;
    my $program = program($large);
    my $exact = show_json((record($vm, $program))[1]);
    my $estimate = show_json((sampled($vm, $program, 256))[1]);
    for my $line (2, 7) {
        my $kept = sub { $_[0]{type} eq 'string' };
        my @exact = grep { $kept->($_) } at_line($exact, $line);
        my @estimate = grep { $kept->($_) } at_line($estimate, $line);
        # A short string of the VM's own may be there, sampled or not: far less than one of those blocks.
        for my $key (qw(survivor_bytes live_bytes alloc_bytes)) {
            cmp_ok(abs(sum($key, @exact) - sum($key, @estimate)), '<', 5000, "line $line: $key");
            cmp_ok(sum($key, @estimate), '>', 100000, "line $line: there is $key");
        }
    }
    is($estimate->{totals}{epochs}, $exact->{totals}{epochs}, 'the same epochs');
    is($estimate->{totals}{vm_bytes}, $exact->{totals}{vm_bytes}, 'the same VM count');
}

sub test_epochs {
    my ($vm) = @_;
    my $epochs = sub {
        my ($collections) = @_;
        my $text = join "\n", $prelude, (map { 'some() collectgarbage()' } 1 .. $collections), 'some()';
        return show_json((sampled($vm, program($text), '512k'))[1])->{totals}{epochs};
    };
    my $none = $epochs->(0);
    is($epochs->($_) - $none, $_, "$_ collections are $_ epochs") for 1, 2, 20, 700;
}

# -- Coverage ------------------------------------------------------------------------------------------------------

# Line 2: tables that stay. 3: garbage. 4: closures, half of them freed. 5: strings of many sizes. 6: one buffer that grows.
my $covered = <<"LUA";
$prelude
for i = 1, 3000 do kept[i] = {} end
for i = 1, 3000 do local t = { i, i } end
local made = {} for i = 1, 4000 do made[i] = function() return i end end for i = 1, 4000, 2 do made[i] = nil end
for i = 1, 1500 do kept[#kept + 1] = ("s"):rep(i % 700 + 50) .. i end
local list = {} for i = 1, 2000 do list[i] = i end
collectgarbage() some() collectgarbage() some() collectgarbage() some()
all = { kept, made, list }
LUA

sub by_line {
    my ($capture) = @_;
    my $answer = show_json($capture, '--by', 'line');
    return { map { $_->{line} => $_ } rows_of($answer, sub { ($_[0]{file} // '') =~ /program\d+/ && $_[0]{line} > 1 }) };
}

sub test_coverage {
    my ($vm) = @_;
    my $program = program($covered);
    my $truth = by_line((record($vm, $program))[1]);
    my $none = { map { my $key = $_; ($_ => 0, ci95 => { map { $_ => undef } @counters }) } @counters };
    my (%hits, %sums, %tries);
    for my $seed (1 .. $runs) {
        my (undef, $capture) = sampled($vm, $program, '8k', env => { SEEPLINE_SEED => $seed });
        my $estimate = by_line($capture);
        for my $line (2 .. 6) {
            for my $key (qw(live_bytes alloc_bytes survivor_bytes live_count)) {
                my $true = $truth->{$line}{$key} // 0;
                my $row = $estimate->{$line};
                # A line without samples is not shown: its interval is from 0 to 3.7 intervals.
                my ($low, $high) = $row ? @{$row->{ci95}{$key}} : (0, $key =~ /bytes/ ? 3.7 * 8192 : 3.7 * 512);
                $tries{"$line $key"}++;
                $hits{"$line $key"} += $low <= $true && $true <= $high;
                $sums{"$line $key"} += $row ? $row->{$key} : 0;
            }
        }
        unlink $capture;
    }
    for my $name (sort keys %tries) {
        my ($line, $key) = split / /, $name;
        my $share = $hits{$name} / $runs;
        my $true = $truth->{$line}{$key} // 0;
        note(sprintf 'line %d %-14s truth %8d mean %10.1f covered %.1f %%', $line, $key, $true, $sums{$name} / $runs, 100 * $share);
        # With few runs chance alone may take some: then less than one in a million fails.
        cmp_ok($share, '>=', $runs >= 1000 ? 0.95 : 0.967 - 5 * sqrt(0.967 * 0.033 / $runs) - 1 / $runs, "line $line: $key is covered");
        next if $key !~ /bytes/ || $true == 0;
        cmp_ok(abs($sums{$name} / $runs / $true - 1), '<', 5 * sqrt(8192 / $true / $runs), "line $line: $key is not biased");
        cmp_ok($share, '<=', 0.985, "line $line: the interval of $key is not too wide") if $runs >= 1000 && $true >= 20 * 8192;
    }
}

for my $vm (vms()) {
    subtest "$vm: usage" => sub { test_usage($vm) };
    subtest "$vm: blocks that are all sampled" => sub { test_certain($vm) };
    subtest "$vm: epochs" => sub { test_epochs($vm) };
    subtest "$vm: coverage" => sub { test_coverage($vm) };
    for my $program ($ENV{SAMPLING_RUNS} ? () : programs()) {
        next if basename($program) =~ /^jit_/ && $vm !~ /jit/;
        subtest "$vm: " . basename($program) => sub { check_program($vm, $program) };
    }
}

done_testing();
