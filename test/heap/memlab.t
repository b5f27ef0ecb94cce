#!/usr/bin/env perl
# The export, read by memlab: its dominators and retained sizes are ours, for every object. memlab comes with npm, into
# the build folder; nothing but this test needs it.

use strict;
use warnings;
use Test::More;
use File::Basename qw(basename);
use File::Path qw(remove_tree);
use FindBin;
use JSON::PP qw(decode_json);
use lib "$FindBin::Bin/../lib";
use SeepTest qw(root vms execute seepline scratch have_command);

my $build = $ENV{BUILD} // root() . '/build';
my $npm = "$build/npm";
my $package = '@memlab/heap-analysis@2.0.5';

my @missing = grep { !have_command($_) } qw(node npm);
plan skip_all => "no @{[join ' and no ', @missing]} here (Debian: nodejs npm)" if @missing;
if (!-d "$npm/node_modules/\@memlab/heap-analysis") {
    # Without scripts: one of its dependencies would download a browser.
    my $result = execute(['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', $npm, $package], timeout => 400);
    if ($result->{status} != 0) {
        remove_tree($npm); # half of it would pass for all of it
        my ($why) = grep { split(' ') > 3 } $result->{err} =~ /^npm (?:ERR!|error) (.+)$/mg; # the first sentence of many lines
        plan skip_all => "npm cannot install $package here: " . ($why // ($result->{timed_out} ? 'no answer' : 'it does not say why'));
    }
}

sub compare {
    my ($file, $memlab) = @_;
    my ($count, @wrong) = (0);
    for my $type (qw(table string function userdata thread proto upvalue cdata trace vm)) {
        my $result = seepline('path', $file, $type, '--json');
        next if $result->{err} =~ /there is no $type in this state/;
        for my $object (@{decode_json($result->{out})->{objects}}) {
            next if !$object->{reachable};
            my $ours = $object->{retained_bytes} . ' ' . ($object->{dominator_node} == 0 ? 1 : 2 * $object->{dominator_node} + 3);
            my $theirs = $memlab->{2 * $object->{node} + 3} // 'nothing';
            $count++;
            push @wrong, "$object->{path}: ours $ours, memlab's $theirs" if $ours ne $theirs && @wrong < 5;
        }
    }
    is_deeply(\@wrong, [], "the same for $count objects");
    cmp_ok($count, '>', 2000, 'that is all of them');
    return;
}

for my $vm (vms()) {
    subtest $vm => sub {
        my $probe = "$build/test/probe-" . ($ENV{INCLUDE} ? 'given' : basename($vm)) . '.so';
        return plan skip_all => 'no module to read its heap' if !-e $probe;
        my $file = scratch() . '/' . basename($vm) . '.seep';
        my $result = execute([$vm, root() . '/test/heap/memlab.lua', $probe, $file]);
        is($result->{status}, 0, 'a snapshot is taken') or return diag($result->{err});
        is(seepline('export', $file, '--format', 'heapsnapshot', '-o', "$file.heapsnapshot")->{status}, 0, 'and exported');
        $result = execute(['node', root() . '/test/heap/memlab.js', $npm, "$file.heapsnapshot"], timeout => 200);
        is($result->{status}, 0, 'memlab reads it') or return diag($result->{err});
        my %memlab = map { /^(\d+) (\d+ \d+)$/ ? ($1, $2) : () } split /\n/, $result->{out};
        compare($file, \%memlab);
    };
}

done_testing();
