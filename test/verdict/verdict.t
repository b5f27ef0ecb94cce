#!/usr/bin/env perl
# A few programs of the labelled collection, on every VM: leaks are claimed, at the right line, and nothing else is.
# `make verdict` judges all of them.

use strict;
use warnings;
use Test::More;
use FindBin;
use JSON::PP qw(decode_json);
use SeepTest qw(execute seepline_path vms);

my @PROGRAMS = qw(leaking/latency_samples leaking/late_plugin leaking/records_by_helper leaking/two_indexes
    innocent/fifo_cache innocent/finite_memo innocent/three_steps innocent/varying_batches innocent/weak_cache);

my $only = '^(?:' . join('|', @PROGRAMS) . ')$';

for my $vm (vms()) {
    my $run = execute([$^X, "$FindBin::Bin/run", '--lua', $vm, '--only', $only, '--no-truth', '--json', '--quiet',
        '--jobs', 1, '--seepline', seepline_path()]);
    my $answer = eval { decode_json($run->{out}) } or BAIL_OUT("test/verdict/run: $run->{err}");
    is(scalar @{ $answer->{records} }, scalar @PROGRAMS, "$vm: all programs");
    for my $record (@{ $answer->{records} }) {
        my $what = "$vm: $record->{name}";
        is($record->{problem}, undef, "$what could be judged") or next;
        if ($record->{label} eq 'innocent') {
            is($record->{claims}, 0, "$what: no claim");
        } else {
            ok($record->{claims}, "$what: claimed");
            # What a compiled trace allocates is charged to the line on which the trace starts.
            ok($record->{first_right}, "$what: at the right line") if $vm !~ /luajit/;
        }
    }
}

done_testing();
