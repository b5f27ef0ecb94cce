#!/usr/bin/perl
# LuaJIT with its compiler on: bytes on the right line, and no row called exact that
# is not. The collector is stopped.
#
# Programs written by hand make the same things compiled or not (what they make
# escapes, and no trace is left in the middle of a line), but for the compiler's own
# memory: their lines are compared with what a hook saw in the interpreter. Random ones
# are compared by sizes and stacks (TracedProgram.pm says why).
#
#     SEEDS=500 FIRST_SEED=1000 make test TESTS=test/lines/traces.t     more random programs
use strict;
use warnings;
use List::Util qw(min sum0);
use Test::More;
use LineTruth qw(truth_library truth_of truth_start);
use SeepTest qw(vms execute root scratch seepline_path show_json slurp spew);
use TracedProgram qw(traced_program);

my $SEEDS = $ENV{SEEDS} // 16;
my $FIRST_SEED = $ENV{FIRST_SEED} // 1;
my $PRELUDE = 'collectgarbage() collectgarbage("stop") kept, list, other = {}, {}, {} local N = 10000 '
    . 'for i = 1, 3 * N do kept[i] = false other[i] = false end '
    . 'jit.off() for i = 1, 15 * N do local s = "presized " .. i end jit.on()';   # the table of strings is as large as it will be

my @vms = grep { /jit/ } vms();
plan skip_all => 'none of the interpreters has a compiler' unless @vms;
ok(truth_library(), 'the hook is built') or BAIL_OUT('no hook');
my $folder = scratch();

# The rows of a run.
sub recorded {
    my ($vm, $script, @options) = @_;
    my $capture = "$folder/capture.seep";
    unlink $capture;
    my @run = (seepline_path(), 'run', '--no-summary', '--no-snapshot', '-o', $capture, '--');
    my $result = execute([@run, $vm, @options, '-e', truth_start(), $script],
        env => {SEEP_TRUTH_LIBRARY => truth_library(), SEEP_TRUTH_OUT => undef});
    diag("$vm $script: $result->{status}, $result->{err}") if $result->{status};
    return $result->{status} ? undef : scalar show_json($capture);
}

sub is_object { my ($row) = @_; return $row->{type} =~ /^(table|string|cdata|function)$/ && $row->{alloc_count} > 0 }

# {line and type => bytes} of a script's objects, behind the prelude.
sub objects {
    my ($answer, $script, $wanted) = @_;
    my %bytes;
    for my $row (grep { $_->{file} eq $script && $_->{line} > 1 && is_object($_) && $wanted->($_) } @{$answer->{sites}}) {
        $bytes{"$row->{line} $row->{type}"} += $row->{alloc_bytes};
    }
    return \%bytes;
}

# Objects, parts of objects and the compiler's own memory: of all, most must be exact.
sub compare {
    my ($vm, $case) = @_;
    my ($name) = $case =~ /([^\/]+)\.lua$/;
    my $script = spew("$folder/$name.lua", "$PRELUDE\n" . slurp($case));
    my ($truth, $plain, $answer) = (truth_of($vm, $script, '-joff'), recorded($vm, $script, '-joff'), recorded($vm, $script));
    return fail($name) unless $truth && $plain && $answer;
    my %by_line;
    $by_line{"$script:$_->{line}"} += $_->{growth_bytes} for grep { $_->{file} eq $script } @{$answer->{sites}};
    my @lines = grep { /^\Q$script\E:/ && !/:[01]$/ } keys %by_line;
    my $all = sum0(map { $by_line{$_} } @lines);
    my $right = sum0(map { min($by_line{$_}, $truth->{$_} // 0) } @lines);
    cmp_ok($right, '>=', 0.95 * $all, "$name: at least 95 % are on their line");
    my $there = objects($plain, $script, sub { 1 });
    my $exact = objects($answer, $script, sub { $_[0]{exact} });
    my @wrong = grep { $exact->{$_} > 1.02 * ($there->{$_} // 0) + 2000 } sort keys %$exact;
    is("@wrong", '', "$name: nothing is called exact on a line that does not make it");
    my @rows = grep { $_->{file} eq $script && $_->{line} > 1 } @{$answer->{sites}};
    my $share = sum0(map { $_->{exact} ? $_->{alloc_bytes} : 0 } @rows) / sum0(map { $_->{alloc_bytes} } @rows);
    cmp_ok($share, '>=', 0.95, "$name: at least 95 % of all bytes are exact") unless $name eq 'sunk'; # two that are alike
    note(sprintf '%s: %.2f %% on their line, %.2f %% exact', $name, 100 * $right / $all, 100 * $share);
    return;
}

# A row's type and stack: lines, and builtins by their names.
sub place_of {
    my ($row) = @_;
    my @frames = grep { $_->{file} ne '[C]' || $_->{function} !~ /^C function at/ } @{$row->{stack}};
    return join ' ', $row->{type}, map { $_->{file} eq '[C]' ? $_->{function} : $_->{line} } @frames;
}

# How many bytes of a row do not have the size that its line makes.
sub misfit {
    my ($row, $size) = @_;
    return $row->{alloc_bytes} unless $size;
    return abs($row->{alloc_bytes} - $row->{alloc_count} * $size);
}

# Random programs: an exact row has things of the size that its line makes, by a stack that there is. (The
# compiler makes a few strings of its own, parts of formats.) Adds up the bytes in `sums`.
sub compare_sizes {
    my ($vm, $seed, $sums) = @_;
    my $script = spew("$folder/seed$seed.lua", 'collectgarbage("stop") ' . traced_program($seed, 200));
    my ($plain, $answer) = (recorded($vm, $script, '-joff'), recorded($vm, $script));
    return fail("seed $seed") unless $plain && $answer;
    my (%bytes, %count, %stacks, @wrong);
    for my $row (grep { $_->{file} eq $script && is_object($_) } @{$plain->{sites}}) {
        $bytes{"$row->{line} $row->{type}"} += $row->{alloc_bytes};
        $count{"$row->{line} $row->{type}"} += $row->{alloc_count};
        $stacks{place_of($row)} = 1;
    }
    for my $row (grep { $_->{file} eq $script && $_->{type} =~ /^(table|string)$/ && is_object($_) } @{$answer->{sites}}) {
        my $place = "$row->{line} $row->{type}";
        my $size = $count{$place} ? $bytes{$place} / $count{$place} : 0;
        my $misfits = misfit($row, $size) > 0.01 * $row->{alloc_bytes} + 500;
        $sums->{$row->{exact} ? 'exact' : 'marked'} += $row->{alloc_bytes};
        $sums->{likely} += $row->{alloc_bytes} if !$row->{exact} && !$misfits;
        next unless $row->{exact};
        push @wrong, "$place: $row->{alloc_count} with $row->{alloc_bytes} bytes, not $size each" if $misfits;
        push @wrong, 'stack ' . place_of($row) unless $stacks{place_of($row)};
    }
    is(scalar @wrong, 0, "seed $seed: all that is called exact is right") or diag(join "\n", @wrong);
    return;
}

for my $vm (@vms) {
    subtest "$vm: written by hand" => sub {
        compare($vm, $_) for sort glob root() . '/test/lines/traced/*.lua';
    };
    subtest "$vm: random programs" => sub {
        my %sums = (exact => 0, marked => 0, likely => 0);
        compare_sizes($vm, $_, \%sums) for $FIRST_SEED .. $FIRST_SEED + $SEEDS - 1;
        my $all = $sums{exact} + $sums{marked};
        cmp_ok($sums{exact}, '>=', 0.95 * $all, 'at least 95 % are exact');
        note(sprintf '%.2f %% of the objects are exact; of the rest, %.2f %% are of the size that their line makes',
            100 * $sums{exact} / $all, $sums{marked} ? 100 * $sums{likely} / $sums{marked} : 100);
    };
}

done_testing();
