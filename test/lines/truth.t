#!/usr/bin/perl
# Every byte on the right line: with the collector stopped, the growth of each
# line as recorded is compared with what a hook in another run of the program saw
# (truth.c), to the byte, on hand-written programs and on random ones.
#
# A hook needs room on the stacks of threads, so lines on which those grow or
# shrink are only compared as a part of the total: they end in --stack. `grow`
# makes room once and for all.
#
#     SEEDS=500 FIRST_SEED=1000 make test TESTS=test/lines/truth.t     more random programs
use strict;
use warnings;
use List::Util qw(sum0);
use Test::More;
use LineTruth qw(truth_library truth_of truth_start);
use RandomProgram qw(random_program);
use SeepTest qw(vms execute lua_version record_fallback root scratch seepline_path show_json slurp spew);

my $SEEDS = $ENV{SEEDS} // 24;
my $FIRST_SEED = $ENV{FIRST_SEED} // 1;
my $PRELUDE = join ' ', 'collectgarbage() collectgarbage("stop")', 'function grow(n, ...)',
    'if n > 0 then local a, b, c, d, e = n, n, n, n, n grow(n - 1, a, b, c, d, e) return 0 end end',
    'grow(100)', '--stack';

my $folder = scratch();
ok(truth_library(), 'the hook is built') or BAIL_OUT('no hook');

sub options_of { my ($vm) = @_; return $vm =~ /jit/ ? ('-joff') : () }

# The rows by line of a run without it.
sub recorded {
    my ($vm, $script) = @_;
    my $capture = "$folder/capture.seep";
    unlink $capture;
    my @run = (seepline_path(), 'run', '--no-summary', '-o', $capture, '--');
    my $result = execute([@run, $vm, options_of($vm), '-e', truth_start(), $script],
        env => {SEEP_TRUTH_LIBRARY => truth_library(), SEEP_TRUTH_OUT => undef});
    return diag("$vm $script: $result->{status}, $result->{err}") if $result->{status};
    return scalar show_json($capture, '--by', 'line');
}

# The lines of a program that are compared as a total.
sub stack_lines {
    my ($script) = @_;
    my @lines = split /\n/, slurp($script);
    return map { $lines[$_] =~ /--stack$/ ? ("$script:" . ($_ + 1) => 1) : () } 0 .. $#lines;
}

# What a line must have: ours and the truth's growth of every line that is compared, as far as they differ.
sub differences {
    my ($script, $truth, $answer) = @_;
    my %left_out = (stack_lines($script), map { ("$_:0" => 1) } '[C]', '[entry]', '(before recording)');
    my %ours = map { ("$_->{file}:$_->{line}" => $_->{growth_bytes}) } @{$answer->{sites}};
    my %all = (%ours, %$truth);
    my @compared = grep { !$left_out{$_} && !/^\(command line\)/ } sort keys %all;
    return map { { place => $_, ours => $ours{$_} // 0, truth => $truth->{$_} // 0 } }
        grep { ($ours{$_} // 0) != ($truth->{$_} // 0) } @compared;
}

sub shown {
    my ($script, $difference) = @_;
    my ($line) = $difference->{place} =~ /:(\d+)$/;
    my @lines = ('', split /\n/, slurp($script));
    return sprintf '%s: %d, not %d: %s', $difference->{place} =~ s/.*\///r, @$difference{qw(ours truth)}, $lines[$line] // '';
}

sub compare {
    my ($vm, $script, $name) = @_;
    my ($truth, $answer) = (truth_of($vm, $script, options_of($vm)), recorded($vm, $script));
    return fail($name) unless $truth && $answer;
    my @wrong = differences($script, $truth, $answer);
    my @unsure = grep { !$_->{exact} } @{$answer->{sites}};
    is(scalar @wrong, 0, "$name: " . @{$answer->{sites}} . ' lines') or diag(join "\n", map { shown($script, $_) } @wrong);
    is(scalar @unsure, 0, "$name: all are exact") or diag(join "\n", map { "$_->{file}:$_->{line}" } @unsure);
    is(sum0(map { $_->{growth_bytes} } @{$answer->{sites}}), $answer->{totals}{growth_bytes}, "$name: they add up");
    return;
}

# Where the running pc is not known and the saved one stands for it, a line can be wrong, but never without saying so: no line that is
# marked exact has too much, and what some have too little is in those that are not.
sub compare_saved {
    my ($vm, $script, $name) = @_;
    my ($result, $capture) = record_fallback('saved', 'exact', [$vm, '-e', truth_start(), $script],
        env => {SEEP_TRUTH_LIBRARY => truth_library(), SEEP_TRUTH_OUT => undef});
    my ($truth, $answer) = (truth_of($vm, $script), show_json($capture, '--by', 'line'));
    return fail("$name: $result->{err}") unless $truth && $answer;
    my %unsure = map { $_->{exact} ? () : ("$_->{file}:$_->{line}" => $_->{alloc_bytes}) } @{$answer->{sites}};
    my @wrong = grep { !exists $unsure{$_->{place}} } differences($script, $truth, $answer);
    my @too_much = grep { $_->{ours} > $_->{truth} } @wrong;
    is(scalar @too_much, 0, "$name: no exact line has too much") or diag(join "\n", map { shown($script, $_) } @too_much);
    cmp_ok(sum0(map { $_->{truth} - $_->{ours} } @wrong), '<=', sum0(values %unsure), "$name: what is missing is marked");
    is($answer->{states}[0]{lines}, 'approximate', "$name: the report says so");
    return scalar %unsure;
}

for my $vm (vms()) {
    subtest "$vm: written by hand" => sub {
        for my $case (sort glob root() . '/test/lines/cases/*.lua') {
            my ($name) = $case =~ /([^\/]+)\.lua$/;
            compare($vm, spew("$folder/$name.lua", "$PRELUDE\n" . slurp($case)), $name);
        }
    };
    subtest "$vm: random programs" => sub {
        for my $seed ($FIRST_SEED .. $FIRST_SEED + $SEEDS - 1) {
            my $program = random_program($seed, scalar $vm =~ /jit/);
            compare($vm, spew("$folder/seed$seed.lua", "$PRELUDE\n$program"), "seed $seed");
        }
    };
    # The other versions save their pc and are always right.
    next if $vm =~ /jit/ || lua_version($vm) !~ /^5\.[14]$/;
    subtest "$vm: lines by the saved pc" => sub {
        my $marked = 0;
        for my $seed ($FIRST_SEED .. $FIRST_SEED + $SEEDS - 1) {
            my $program = random_program($seed, 0);
            $marked += compare_saved($vm, spew("$folder/seed$seed.lua", "$PRELUDE\n$program"), "seed $seed");
        }
        cmp_ok($marked, '>', 0, "$marked lines are marked in $SEEDS programs");
    };
}

done_testing();
