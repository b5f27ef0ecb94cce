#!/usr/bin/env perl
# Damaged images: a few thousand rounds of test/fuzz/heap.c on a core of each VM, the same in every run. For longer:
# build/test/fuzz-heap CORE SEED 600s

use strict;
use warnings;
use Test::More;
use FindBin;
use File::Basename qw(basename);
use lib "$FindBin::Bin/../lib";
use SeepTest qw(root vms execute scratch);

my $build = $ENV{BUILD} // root() . '/build';
my $ROUNDS = 300;

for my $vm (vms()) {
    subtest $vm => sub {
        my $folder = scratch() . '/' . basename($vm);
        mkdir $folder or die;
        execute(['sh', '-c', 'ulimit -c unlimited && exec "$@"', 'sh', $vm, root() . '/test/heap/victim.lua', 300, 'abort'], cwd => $folder);
        my ($core) = glob("$folder/core*");
        return plan skip_all => 'no core file was left (see kernel.core_pattern)' if !$core;
        for my $seed (1 .. 3) {
            my $result = execute(["$build/test/fuzz-heap", $core, $seed, $ROUNDS], timeout => 300);
            like($result->{out}, qr/^ok: $ROUNDS rounds/, "seed $seed") or diag("$result->{out}$result->{err}");
        }
    };
}
done_testing();
