#!/usr/bin/perl
# Every program of test/programs on every VM: it does the same with and without
# us, and the figures add up to the byte.
use strict;
use warnings;
use File::Basename qw(basename dirname);
use Test::More;
use JSON::PP qw(decode_json);
use SeepTest qw(vms execute seepline record show_json programs);

use constant TIMEOUT_S => 20;

# Addresses differ from run to run.
sub same_text { my ($text) = @_; return $text =~ s/0x[0-9a-f]+/0x…/gr }

sub sum {
    my ($key, @rows) = @_;
    my $sum = 0;
    $sum += $_->{$key} // 0 for @rows;
    return $sum;
}

sub describe {
    my ($row) = @_;
    return sprintf '%s:%s %s', $row->{file} // '?', $row->{line} // '?', $row->{type} // '?';
}

# What must hold for every row.
sub check_rows {
    my (@rows) = @_;
    my %wrong;
    for my $row (@rows) {
        my $name = describe($row);
        push @{$wrong{'allocated - freed = live, bytes'}}, $name if $row->{alloc_bytes} - $row->{freed_bytes} != $row->{live_bytes};
        push @{$wrong{'allocated - freed = live, blocks'}}, $name if defined $row->{live_count} && $row->{alloc_count} - $row->{freed_count} != $row->{live_count};
        push @{$wrong{'nothing is negative'}}, $name if grep { $row->{$_} < 0 } grep { /_(bytes|count)$/ && $_ ne 'growth_bytes' } keys %$row;
        push @{$wrong{'survivors are live'}}, $name if $row->{survivor_bytes} > $row->{live_bytes} || $row->{survivor_count} > $row->{live_count};
        push @{$wrong{'temporaries were freed'}}, $name if $row->{temporary_count} > $row->{freed_count};
        push @{$wrong{'the peak is not below what is live'}}, $name if defined $row->{peak_bytes} && ($row->{peak_bytes} < $row->{live_bytes} || $row->{peak_bytes} > $row->{alloc_bytes});
        push @{$wrong{'lines are lines'}}, $name if $row->{line} !~ /^\d+$/ || $row->{line} > 100000;
        push @{$wrong{'types are known'}}, $name if $row->{type} !~ /^(table|string|function|userdata|thread|proto|upvalue|cdata|buffer|other)$/;
    }
    for my $what (sort keys %wrong) {
        my @names = @{$wrong{$what}};
        splice @names, 5 if @names > 5;
        fail("$what: @names");
    }
    ok(!%wrong, scalar(@rows) . ' rows hold');
}

sub check_sums {
    my ($answer) = @_;
    my ($totals, @rows) = ($answer->{totals}, @{$answer->{sites}});
    for my $key (qw(alloc_bytes alloc_count freed_bytes freed_count live_bytes live_count growth_bytes survivor_bytes survivor_count)) {
        is(sum($key, @rows), $totals->{$key}, "the rows' $key add up");
    }
    is($totals->{live_bytes}, $totals->{vm_bytes}, 'to the VM\'s own count');
    cmp_ok($totals->{peak_bytes}, '>=', $totals->{live_bytes}, 'the peak is not below');
    is($totals->{dropped}, 0, 'nothing was dropped');
}

# The answer without its stacks: those of deep recursions are most of it, and
# decoding them is most of the time.
sub show_rows {
    my ($capture) = @_;
    my $result = seepline('show', $capture, '--json');
    return (undef, $result) if $result->{status} != 0;
    my $frame = qr/\{"file":"(?:[^"\\]|\\.)*","line":\d+,"function":"(?:[^"\\]|\\.)*"(?:,"(?:coroutine|tail)":true)*\},?/;
    my $stripped = $result->{out} =~ s/"stack":\[$frame*\]/"stack":[]/gr;
    unlike($stripped, qr/"stack":\[\{/, 'stacks are lists of frames');
    return (decode_json($stripped), $result);
}

sub check_capture {
    my ($capture) = @_;
    my ($answer, $result) = show_rows($capture);
    ok($answer, 'the capture can be read') or return diag($result->{err});
    ok($answer->{complete}, 'and is complete') or diag($answer->{problem} // 'not sealed');
    is(scalar @{$answer->{states}}, 1, 'with one state');
    check_rows(@{$answer->{sites}});
    check_sums($answer);
    # The same, merged in other ways.
    for my $by (qw(line type)) {
        my $merged = show_json($capture, '--by', $by);
        is(sum('live_bytes', @{$merged->{sites}}), $answer->{totals}{live_bytes}, "--by $by adds up");
    }
}

sub check_program {
    my ($vm, $program) = @_;
    my %options = (stdin => "a line for the program\n", cwd => dirname($program), timeout => TIMEOUT_S);
    my $name = basename($program);
    my $plain = execute([$vm, $name], %options);
    my ($recorded, $capture) = record($vm, $name, { %options });
    ok(!$recorded->{signal}, 'ends by itself') or diag("signal $recorded->{signal}");
    is($recorded->{out}, $plain->{out}, 'stdout');
    is(same_text($recorded->{err}), same_text($plain->{err}), 'stderr');
    is($recorded->{status}, $plain->{status}, 'status');
    check_capture($capture);
}

for my $vm (vms()) {
    for my $program (programs()) {
        next if basename($program) =~ /^jit_/ && $vm !~ /jit/;
        subtest "$vm: " . basename($program) => sub { check_program($vm, $program) };
    }
}

done_testing();
