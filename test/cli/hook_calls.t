#!/usr/bin/perl
# Mode call against a program that knows what its functions make: alone and with
# callees, in recursion, tail calls, coroutines and past errors.
use strict;
use warnings;
use Test::More;
use SeepTest qw(root vms show_json);
use HookTest qw(record_mode record_publicly sum);

my $program = root() . '/test/hooks/calls.lua';

sub by_function {
    my ($capture) = @_;
    my ($answer) = show_json($capture, '--by', 'function');
    return { map { $_->{function} => $_ } grep { $_->{file} =~ /calls\.lua$/ } @{$answer->{sites}} };
}

# An error gives memory of PUC's stack back, and the next calls take it again: there
# gains tell, and what is inclusive does not.
sub check_functions {
    my ($rows, $printed, $resumers_are_known) = @_;
    for my $line (split /\n/, $printed) {
        my ($name, $own, $with_callees) = split ' ', $line;
        my $row = $rows->{$name} or fail("$name is not there"), next;
        if ($name eq 'failing' || $name eq 'catching') {
            cmp_ok($row->{gain_bytes}, '>=', $own, "$name gained what it made");
            next;
        }
        is($row->{growth_bytes}, $own, "$name, alone");
        is($row->{inclusive_growth_bytes}, $with_callees, "$name, with callees")
            if $resumers_are_known || $name ne 'resuming';
    }
    my ($failing) = $printed =~ /^failing\s(\d+)/m;
    cmp_ok($rows->{failing}{gain_bytes}, '<', 1.2 * $failing, 'what follows an error is not charged to what failed');
}

for my $vm (vms()) {
    subtest $vm => sub {
        my ($result, $capture) = record_mode('call', $vm, $program);
        is($result->{status}, 0, 'it ran') or diag $result->{err};
        check_functions(by_function($capture), $result->{out}, 1);
        my ($answer) = show_json($capture);
        my %seen;
        for my $row (grep { ($_->{function} // '') eq 'leaf' } @{$answer->{sites}}) {
            $seen{join ' < ', map { $_->{function} } grep { $_->{file} ne '[C]' } @{$row->{stack}}} = $row;
        }
        ok($seen{'leaf < outer < main chunk'}, 'with its stack');
        my ($resumed) = grep { /resuming/ } keys %seen;
        like($resumed, qr/^leaf < body < anonymous <.*> < resuming < main chunk$/, 'through the coroutine into its resumer');
        is(scalar(grep { $_->{coroutine} } @{$seen{$resumed}{stack}}), 1, 'the frame that resumed is marked');
    };
    subtest "$vm: the public API alone" => sub {
        my ($result, $capture) = record_publicly('call', $vm, $program);
        is($result->{status}, 0, 'it ran') or diag $result->{err};
        check_functions(by_function($capture), $result->{out}, 0);
    };
}

done_testing();
