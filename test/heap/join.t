#!/usr/bin/env perl
# The join: a snapshot of a program that is being recorded knows which line allocated each object, and leaks says what
# holds the memory that a line leaks. On every VM.

use strict;
use warnings;
use utf8;
use Test::More;
use File::Basename qw(basename);
use FindBin;
use IPC::Open3 qw(open3);
use JSON::PP qw(decode_json);
use lib "$FindBin::Bin/../lib";
use SeepTest qw(root vms seepline seepline_path scratch why_not_recorded);

# Waits until a file is there; the program gives up by itself when its input ends.
sub wait_for {
    my ($path) = @_;
    for (1 .. 600) {
        return 1 if -e $path;
        select undef, undef, undef, 0.1;
    }
    return;
}

sub answer {
    my (@words) = @_;
    my $result = seepline(@words);
    is($result->{status}, 0, "@words[0 .. 0]") or diag($result->{err});
    return $result->{status} == 0 ? decode_json($result->{out}) : {};
}

sub test_lines {
    my ($file) = @_;
    my $heap = answer('heap', $file, '--json');
    my ($app) = grep { $_->{path} eq '_G.app' } @{$heap->{dominators}};
    like($app->{site}, qr/join\.lua:2$/, 'a table knows its line');
    my $made = answer('path', $file, 'join.lua:4', '--json');
    is(scalar(grep { $_->{type} eq 'table' } @{$made->{objects}}), 8000, 'all that a line made are found by it');
    my $thread = answer('path', $file, '_G.held', '--json');
    like($thread->{objects}[0]{site}, qr/join\.lua:10$/, 'a coroutine knows its line');
    return;
}

sub test_growth {
    my ($first, $second) = @_;
    my $diff = answer('diff', $first, $second, '--json');
    my ($line) = grep { $_->{site} =~ /join\.lua:4$/ } @{$diff->{lines}};
    is($line->{count} - $line->{count_before}, 6000, 'diff knows which line made what grew');
    is($diff->{lines}[0]{site}, $line->{site}, 'and that it grew most');
    return;
}

sub test_holders {
    my ($answer) = @_;
    my ($leak) = grep { $_->{line} == 4 && $_->{verdict} eq 'leak' } @{$answer->{verdicts}};
    my @held = @{$leak->{held_by} // []};
    is_deeply([map { [@$_{qw(path count)}] } @held], [['_G.app.listeners[*]', 4000], ['_G.app.listeners[*].data', 4000]],
        'what holds the memory');
    cmp_ok($held[0]{bytes}, '>', 4000 * 56, 'with bytes');
    return;
}

# The objects of a row's own type alone: the tables are held by one path, the strings in them by another.
sub test_rows {
    my (@words) = @_;
    my $answer = answer('show', @words, '--json');
    my ($tables) = grep { $_->{line} == 4 && $_->{type} eq 'table' } @{$answer->{sites}};
    is_deeply([map { [@$_{qw(path count)}] } @{$tables->{held_by} // []}],
        [['_G.app.listeners[*]', 4000], ['_G.app.listeners[*].data', 4000]], "show @words[1 .. $#words]: what holds a row's tables");
    my ($whole) = grep { $_->{type} && $_->{type} eq 'table' } @{answer('show', @words, '--by', 'type', '--json')->{sites}};
    ok(!$whole->{held_by}, 'a type has no place');
    return;
}

sub test_failures {
    my ($capture, $foreign) = @_;
    my $result = seepline('leaks', $capture, '--held-by');
    is($result->{status}, 1, 'the heap of a program that has ended');
    like($result->{err}, qr/does not run any more/, 'cannot be read');
    for my $verb (qw(leaks show)) {
        $result = seepline($verb, $capture, '--heap', $foreign);
        is($result->{status}, 1, "$verb: a snapshot of another recording");
        like($result->{err}, qr/knows nothing of this recording/, 'is refused');
    }
    return;
}

# Of 4,000 tables in each place one in ten is sampled: 400, give or take 20.
sub test_sampled {
    my ($vm, $base) = @_;
    my @interpreter = $vm =~ /luajit/ ? ($vm, '-joff') : ($vm);
    my ($capture, $heap) = ("$base-sampled.seep", "$base-sampled.heap.seep");
    my $result = seepline('run', '--mode', 'sample', '--interval', 512, '-o', $capture, '--', @interpreter,
        root() . '/test/heap/end.lua', 'close', { env => { SEEPLINE_SEED => 7 } });
    my @paths = ('_G.app.listeners[*]', '_G.app.listeners[*].data');
    like($result->{err}, qr/^\s+held by \Q$paths[0]\E: about [34],\d{3} objects, \S+ KiB$/m, 'the summary gives an estimate');
    my ($leak) = grep { $_->{line} == 4 && $_->{verdict} eq 'leak' } @{answer('leaks', $capture, '--json')->{verdicts}};
    my %held = map { $_->{path} => $_ } @{$leak->{held_by} // []};
    for my $path (@paths) {
        my $count = $held{$path}{count} // 0;
        ok($count > 2800 && $count < 5200 && $held{$path}{estimate}, "$path: about 4,000") or diag $count;
        my $bytes = ($held{$path}{bytes} // 0) / ($count || 1);
        ok($bytes > 55 && $bytes < 200, 'of their size') or diag $bytes;
    }
    ok(answer('heap', $heap, '--json')->{sampled}, 'the snapshot says that not all lines are known');
    my $made = answer('path', $heap, 'end.lua:4', '--json', '-n', 1);
    ok($made->{found} > 400 && $made->{found} < 1200, 'the sampled ones know theirs') or diag $made->{found};
    is_deeply(answer('diff', $heap, $heap, '--json')->{lines}, [], 'of lines nothing is compared');
    return;
}

my $foreign;

my ($unrecorded) = map { why_not_recorded($_) // () } vms();
plan skip_all => $unrecorded if $unrecorded;

for my $vm (vms()) {
    subtest $vm => sub {
        my $base = scratch() . '/' . basename($vm);
        my $capture = "$base.seep";
        # LuaJIT charges what a compiled trace allocates to the line on which the trace begins.
        my @interpreter = $vm =~ /luajit/ ? ($vm, '-joff') : ($vm);
        my $pid = open3(my $to, my $from, undef, seepline_path(), 'run', '--no-summary', '-o', $capture, '--', @interpreter,
            root() . '/test/heap/join.lua', "$base.ready", "$base.more");
        ok(wait_for("$base.ready"), 'the program runs') or return;
        my $running = decode_json(seepline('show', $capture, '--json', '-n', 1)->{out})->{pid};
        is(seepline('snapshot', $running, '-o', "$base-a.heap")->{status}, 0, 'a snapshot');
        test_lines("$base-a.heap");
        test_holders(answer('leaks', $running, '--held-by', '--json'));
        test_rows($running, '--held-by');
        print {$to} "\n";
        $to->flush;
        ok(wait_for("$base.more"), 'it grows') or return;
        is(seepline('snapshot', $running, '-o', "$base-b.heap")->{status}, 0, 'another snapshot');
        test_growth("$base-a.heap", "$base-b.heap");
        print {$to} "\n";
        close $to;
        waitpid $pid, 0;
        is($?, 0, 'it ends well');
        test_holders(answer('leaks', $capture, '--heap', "$base-a.heap", '--json')) if $vm !~ /luajit/;
        test_rows($capture, '--heap', "$base-a.heap");
        test_failures($capture, $foreign) if $foreign;
        $foreign = "$base-a.heap";
        test_sampled($vm, $base);
    };
}

done_testing();
