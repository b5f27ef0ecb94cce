#!/usr/bin/env perl
# The graph of a heap, read from inside by a module (probe.c): sums to the byte, reachability as the collector has it,
# and names, on every VM.

use strict;
use warnings;
use Test::More;
use File::Basename qw(basename);
use FindBin;
use lib "$FindBin::Bin/../lib";
use SeepTest qw(root vms execute programs spew scratch);

my $build = $ENV{BUILD} // root() . '/build';

sub probe_of {
    my ($vm) = @_;
    return "$build/test/probe-" . ($ENV{INCLUDE} ? 'given' : basename($vm)) . '.so';
}

# Every line that is not "ok …" says what was wrong.
sub all_good {
    my ($result, $least, $name) = @_;
    my @good = $result->{out} =~ /^(ok .*)$/mg;
    my @bad = $result->{out} =~ /^((?:not ok|#) .*)$/mg;
    is($result->{status}, 0, "$name ends well") or diag(substr $result->{err}, 0, 2000);
    is_deeply(\@bad, [], "$name: every check holds");
    cmp_ok(scalar @good, '>=', $least, "$name: " . @good . ' checks');
    return;
}

# A program of test/programs, as it is, with a check at its end.
sub with_check {
    my ($program) = @_;
    return spew(scratch() . '/' . basename($program), <<"LUA");
local probe_path = arg[1]
local probe = assert(package.loadlib(probe_path, "luaopen_probe"))()
arg = {[0] = "$program"}
local out = io.stdout
local fine, message = pcall(dofile, "$program")
io.output(out)
probe.check("@{[basename($program)]}")
LUA
}

sub has_edge {
    my ($text, $pattern, $name) = @_;
    return ok($text =~ $pattern, $name);
}

sub test_names {
    my ($vm) = @_;
    my $result = execute([$vm, root() . '/test/heap/names.lua', probe_of($vm)]);
    is($result->{status}, 0, 'it ends well') or return diag($result->{err});
    my $at = qr{\@\S*names\.lua};
    has_edge($result->{out}, qr{^thread $at:3 \| local $_ \|}m, "a suspended coroutine's local $_")
        for qw(first_local second_local captured reads_captured value_name);
    unlike($result->{out}, qr{\| local gone \|}, 'a variable that has ended has no name');
    has_edge($result->{out}, qr{^function $at:7 \| upvalue captured \| upvalue}m, 'an upvalue');
    has_edge($result->{out}, qr{^function $at:19 \| upvalue up_by_name \| upvalue}m, 'a closed upvalue');
    has_edge($result->{out}, qr{^table \| entry_text weak 1\.5 \| table}m, 'an entry under a fraction, weak');
    has_edge($result->{out}, qr{^table \| entry_text weak true \| table}m, 'an entry under true');
    has_edge($result->{out}, qr{^table \| index weak 7 \| table}m, 'an entry under an integer');
    has_edge($result->{out}, qr{^table \| entry weak thread $at:3 \| table}m, 'an entry under an object');
    has_edge($result->{out}, qr{^table \| field string 'inner' \| table}m, 'a field');
    has_edge($result->{out}, qr{^table \| field string 'exported' \| table}m, 'a field of a module');
    has_edge($result->{out}, qr{^root \| type_metatable string \| table}m, "the strings' metatable");
    has_edge($result->{out}, qr{^root \| registry }m, 'the registry');
    has_edge($result->{out}, qr{^root \| main_thread }m, 'the main thread');
    has_edge($result->{out}, qr{^proto $at:19 \| constant \d+ \| string 'a constant'}m, 'a constant');
    return;
}

for my $vm (vms()) {
    subtest $vm => sub {
        return plan skip_all => 'no module to read its heap' if !-e probe_of($vm);
        for my $mode (qw(stop run)) {
            my $result = execute([$vm, root() . '/test/heap/heaps.lua', probe_of($vm), $mode]);
            all_good($result, 60, "every sort of heap ($mode)");
        }
        for my $program (grep { !/exit_|uncaught|overflow|linked_list/ } programs()) {
            all_good(execute([$vm, with_check($program), probe_of($vm)]), 1, basename($program));
        }
        subtest 'names' => sub { test_names($vm) };
    };
}

done_testing();
