#!/usr/bin/perl
# Every program of test/programs on every VM in every hook mode: it does the same
# with and without us, and the growth adds up to the byte.
use strict;
use warnings;
use File::Basename qw(basename dirname);
use Test::More;
use SeepTest qw(vms execute show_json programs);
use HookTest qw(modes record_mode record_publicly sum);

use constant TIMEOUT_S => 30;

# Addresses differ from run to run.
sub same_text { my ($text) = @_; return $text =~ s/0x[0-9a-f]+/0x…/gr }

sub check_capture {
    my ($capture, $sets_hooks) = @_;
    my ($answer, $result) = show_json($capture, '--by', 'line');
    ok($answer, 'the capture can be read') or return diag($result->{err});
    my $totals = $answer->{totals};
    is($answer->{complete} ? 1 : 0, $sets_hooks ? 0 : 1, 'and is complete, unless the program took the hook')
        or diag($answer->{problem} // 'not sealed');
    is(sum('growth_bytes', @{$answer->{sites}}), $totals->{growth_bytes}, "the rows' growth adds up");
    is($totals->{growth_bytes}, $totals->{vm_bytes} - $totals->{vm_bytes_at_start}, 'to that of the VM\'s own count');
    is(scalar(grep { $_->{gain_bytes} - $_->{loss_bytes} != $_->{growth_bytes} } @{$answer->{sites}}), 0, 'gains - losses = growth');
    is(scalar(grep { exists $_->{live_bytes} || exists $_->{type} || exists $_->{peak_bytes} } @{$answer->{sites}}), 0,
        'what is not known is not there');
}

sub check_program {
    my ($vm, $program) = @_;
    my $name = basename($program);
    my %options = (stdin => "a line for the program\n", cwd => dirname($program), timeout => TIMEOUT_S);
    my $plain = execute([$vm, $name], %options);
    for my $mode (modes()) {
        my ($recorded, $capture) = record_mode($mode, $vm, $name, { %options });
        ok(!$recorded->{signal}, "$mode: ends by itself") or diag("signal $recorded->{signal}");
        is($recorded->{out}, $plain->{out}, 'stdout');
        is(same_text($recorded->{err}), same_text($plain->{err}), 'stderr');
        is($recorded->{status}, $plain->{status}, 'status');
        check_capture($capture, $name eq 'hooks.lua');
    }
}

for my $vm (vms()) {
    for my $program (programs()) {
        next if basename($program) =~ /^jit_/ && $vm !~ /jit/;
        subtest "$vm: " . basename($program) => sub { check_program($vm, $program) };
    }
}

done_testing();
