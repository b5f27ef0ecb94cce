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
use SeepTest qw(root vms seepline seepline_path scratch why_not_recorded spew);

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
    my @same = @{answer('diff', $heap, $heap, '--json')->{lines}};
    is(scalar(grep { $_->{block_growth_bytes} != 0 || $_->{ci95}[0] > 0 || $_->{ci95}[1] < 0 } @same), 0, 'nothing grew');
    return;
}

# What a line's blocks grew by from one run to a longer one: the interval has the truth, which an exact recording gives.
sub test_sampled_growth {
    my ($vm, $base) = @_;
    my @interpreter = $vm =~ /luajit/ ? ($vm, '-joff') : ($vm);
    my $script = spew("$base-grows.lua", "keep = {}\nfor i = 1, tonumber(arg[1]) do\n  keep[i] = {i}\nend\ncollectgarbage()\n");
    my (%live, %heap);
    for my $count (1000, 5000) {
        for my $mode ('exact', 'sample') {
            my $capture = "$base-grows-$mode-$count.seep";
            seepline('run', '--mode', $mode, ($mode eq 'sample' ? ('--interval', 512) : ()), '--no-summary', '-o', $capture, '--',
                @interpreter, $script, $count, { env => { SEEPLINE_SEED => 11 } });
            $heap{"$mode $count"} = $capture =~ s/\.seep$/.heap.seep/r;
            my ($line) = grep { ($_->{line} // 0) == 3 } @{answer('show', $capture, '--by', 'line', '--json')->{sites}};
            $live{$count} = $line->{live_bytes} if $mode eq 'exact';
        }
    }
    my $diff = answer('diff', @heap{'sample 1000', 'sample 5000'}, '--json');
    my ($line) = grep { $_->{site} =~ /grows\.lua:3$/ } @{$diff->{lines}};
    my $truth = $live{5000} - $live{1000};
    ok($line->{ci95}[0] <= $truth && $truth <= $line->{ci95}[1], "the interval has the truth, $truth bytes") or diag explain $line;
    ok($line->{ci95}[0] > 0.7 * $truth && $line->{ci95}[1] < 1.3 * $truth, 'and is not wide');
    my $grown = $line->{count} - $line->{count_before};
    ok($grown > 3200 && $grown < 4800, 'about 4,000 objects more') or diag $grown;
    ok(!exists $line->{retained_bytes}, 'what they retain is not known');
    is($diff->{lines}[0]{site}, $line->{site}, 'it grew most');
    like(seepline('diff', @heap{'sample 1000', 'sample 5000'})->{out}, qr/^ +\+\S+ KiB  +\+\S+ KiB  +\+\S+ KiB +\+[34],\d{3}  .*grows\.lua:3$/m,
        'the same for people');
    my ($exact) = grep { $_->{site} =~ /grows\.lua:3$/ } @{answer('diff', @heap{'exact 1000', 'exact 5000'}, '--json')->{lines}};
    is($exact->{count} - $exact->{count_before}, 4000, 'an exact one counts them');
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
        test_sampled_growth($vm, $base);
    };
}

done_testing();
