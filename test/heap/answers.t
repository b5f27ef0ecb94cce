#!/usr/bin/env perl
# What heap, path, diff and export say about a heap whose content is known, on every VM.

use strict;
use warnings;
use utf8;
use Test::More;
use File::Basename qw(basename);
use FindBin;
use JSON::PP qw(decode_json);
use Encode qw(decode_utf8 encode_utf8);
use lib "$FindBin::Bin/../lib";
use SeepTest qw(root vms execute seepline scratch slurp spew record why_not_recorded);

my $build = $ENV{BUILD} // root() . '/build';
binmode $_, ':utf8' for Test::More->builder->output, Test::More->builder->failure_output;

sub probe_of {
    my ($vm) = @_;
    return "$build/test/probe-" . ($ENV{INCLUDE} ? 'given' : basename($vm)) . '.so';
}

sub snapshots_of {
    my ($vm) = @_;
    my @paths = map { scratch() . '/' . basename($vm) . "-$_.seep" } qw(a b);
    my $result = execute([$vm, root() . '/test/heap/answers.lua', probe_of($vm), @paths]);
    is($result->{status}, 0, 'two snapshots are taken') or diag($result->{err});
    my ($last) = $result->{out} =~ /^last (0x[0-9a-f]+)$/m;
    return (@paths, $last);
}

sub answer {
    my (@words) = @_;
    my $result = seepline(map { encode_utf8($_) } @words);
    is($result->{status}, 0, "@words[0, 2 .. $#words]") or diag($result->{err});
    return $result->{status} == 0 ? decode_json($result->{out}) : {};
}

sub row { my ($rows, $path) = @_; return (grep { $_->{path} eq $path } @$rows)[0] // {} }

sub test_heap {
    my ($file) = @_;
    my $heap = answer('heap', $file, '--json');
    is($heap->{schema}, 1, 'schema');
    is($heap->{graph_bytes}, $heap->{state_bytes}, 'the graph is the VM\'s count to the byte');
    like($heap->{taken}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'when');
    is($heap->{pause_ms}, 1.234, 'how long it stood still');
    cmp_ok($heap->{unreachable_count}, '>=', 50, 'garbage is known as such');
    my $sum = 0;
    $sum += $_->{bytes} for @{$heap->{types}}, @{$heap->{states}[0]{ledger}};
    is($sum, $heap->{graph_bytes}, 'types and ledger add up');
    my $listeners = row($heap->{groups}, '_G.app.listeners[*]');
    is($listeners->{count}, 4000, 'alike objects are one group');
    is($listeners->{type}, 'table', 'of tables');
    cmp_ok($listeners->{retained_bytes}, '>', $listeners->{self_bytes}, 'that hold more than themselves');
    is(row($heap->{groups}, '_G.app.listeners[*].callback')->{count}, 4000, 'and their callbacks another');
    is(row($heap->{groups}, '_G.list(.next)+')->{count}, 30000, 'a list is one group');
    is(row($heap->{groups}, '_G.list(.next)+.value')->{count}, 30000, 'and what hangs on it another');
    my ($sessions) = grep { $_->{path} =~ /sessions.*\[\*\]$/ } @{$heap->{groups}};
    is($sessions->{count}, 500, 'a table with many alike fields is a collection');
    my ($buffer) = grep { $_->{path} =~ /^_G\.co → coroutine local 'buffer' of worker \(.*answers\.lua:\d+\)\[\*\]$/ } @{$heap->{groups}};
    is($buffer->{count}, 300, 'a coroutine\'s local variable has its name');
    my ($top) = @{$heap->{dominators}};
    is($top->{path}, '_G.list', 'the biggest dominator');
    ok((grep { $_->{path} eq '_G.app' } @{$heap->{dominators}}[0 .. 3]), 'and another');
    my @gatherings = @{$heap->{gatherings}};
    is($gatherings[0]{path}, '_G.list', 'more than a tenth is held by one object');
    my ($copies) = grep { $_->{count} == 10 && $_->{length} == 5003 } @{$heap->{duplicates}};
    return ($heap, $copies);
}

sub test_duplicates {
    my ($vm, $copies) = @_;
    if ($vm =~ /5\.1$|luajit/) { ok(!$copies, 'a VM that interns all strings has no duplicates') }
    else { like($copies->{path}, qr/^_G\.logs\[\d+\]$/, 'duplicate strings') }
    return;
}

sub test_paths {
    my ($file) = @_;
    my $get = sub { my $answer = answer('path', $file, @_, '--json'); return ($answer->{objects}[0], $answer) };
    my ($one) = $get->('_G.app.listeners[17].callback');
    is($one->{path}, '_G.app.listeners[17].callback', 'its path');
    is($one->{type}, 'function', 'its type');
    like($one->{what}, qr/^function app\.listeners\[i\]\.callback \(.*answers\.lua:5\)$/, 'its place');
    is($one->{dominator}, '_G.app.listeners[17]', 'its dominator');
    my ($same) = $get->($one->{address});
    is($same->{node}, $one->{node}, 'found by address');
    ($same) = $get->("#$one->{node}");
    is($same->{address}, $one->{address}, 'found by number');
    my ($text) = $get->('listener 1234');
    is($text->{path}, '_G.app.listeners[1234].name', 'found by content');
    my (undef, $all) = $get->('answers.lua:5');
    cmp_ok($all->{found}, '>=', 4000, 'found by line');
    (undef, $all) = $get->('_G.app.listeners[*].callback');
    is($all->{found}, 4000, 'found by a path with [*]');
    (undef, $all) = $get->('thread');
    my @threads = grep { $_->{path} !~ /the VM's own thread/ } @{$all->{objects}}; # which LuaJIT has since 2026
    is(scalar @threads, 2, 'found by type');
    my ($cached) = $get->('registry → package.loaded.cache.get → entries.x.deep');
    is($cached->{path}, 'registry → package.loaded.cache.get → entries.x.deep', 'through an upvalue of a module');
    ($one) = $get->('_G.app.config["a key"]');
    is($one->{path}, '_G.app.config["a key"]', 'a key that is no identifier');
    ($one) = $get->('metatable of all strings.__index');
    is($one->{path}, '_G.string', 'from any root that paths begin with');
    my ($shared) = $get->('_G.holder_a.first');
    is_deeply($shared->{paths}, ['_G.holder_a.first', '_G.holder_b.second.third'], 'several distinct paths, shortest first');
    is($shared->{dominator}, '_G', 'no single holder');
    my ($weakly) = $get->('_G.app.listeners[7]');
    is_deeply([@$weakly{qw(references weak_references)}], [1, 1], 'a weak reference does not hold');
    my ($cycle) = $get->('_G.cycle');
    is_deeply($cycle->{paths}, ['_G.cycle'], 'a cycle is no path');
    my ($deep) = $get->('_G.list.next.next.next.value');
    is($deep->{path}, '_G.list.next.next.next.value', 'a few steps are told');
    return;
}

sub test_deep_path {
    my ($file, $address) = @_;
    my $object = answer('path', $file, $address, '--json')->{objects}[0];
    is($object->{path}, '_G.list(.next)×30000', 'a path of 30,000 steps');
    return;
}

sub test_ephemerons {
    my ($vm, $file) = @_;
    my $object = answer('path', $file, '_G.ephemeral[*].note', '--json')->{objects}[0];
    my $holder = $vm =~ /5\.1$|luajit/ ? qr/^_G\.ephemeral/ : qr/^_G\.app/;
    like($object->{path}, $holder, 'a value under a weak key is held by table or key as the VM has it');
    return;
}

sub test_diff {
    my ($first, $second) = @_;
    my $diff = answer('diff', $first, $second, '--json');
    my $listeners = row($diff->{paths}, '_G.app.listeners[*]');
    is_deeply([@$listeners{qw(count_before count)}], [4000, 6000], 'a group that grew');
    cmp_ok($listeners->{retained_growth_bytes}, '>', 2000 * 56, 'by what it retains');
    my ($text) = grep { $_->{path} eq '_G["an odd name"]' } @{$diff->{paths}};
    is($text->{count_before}, 0, 'something new');
    my $list = row($diff->{paths}, '_G.list(.next)+');
    is_deeply([@$list{qw(count_before count)}], [30000, 0], 'something that is gone');
    is($diff->{paths}[-1]{path}, '_G.list', 'what shrank most comes last');
    my $people = decode_utf8(seepline('diff', $first, $second)->{out});
    like($people, qr/^\s+\+[\d.]+ KiB\s+\+[\d.]+ KiB\s+\+2,000  table     _G\.app\.listeners\[\*\]$/m, 'the same for people');
    return;
}

sub test_text {
    my ($file) = @_;
    my $heap = decode_utf8(seepline('heap', $file, '-n', 5)->{out});
    like($heap, qr/to the byte$/m, 'the ledger');
    like($heap, qr/^\s+\S+ [KM]iB\s+\S+ [KM]iB\s+4,000  table     _G\.app\.listeners\[\*\]$/m, 'groups');
    my $path = decode_utf8(seepline('path', $file, '_G.app.listeners')->{out});
    like($path, qr/^it goes when one of these goes:\n  _G\.app \(table\)\n  _G \(table\)$/m, 'dominators in words');
    return;
}

sub test_failures {
    my ($file) = @_;
    my $says = sub {
        my ($pattern, $status, @words) = @_;
        my $result = seepline(map { encode_utf8($_) } @words);
        is($result->{status}, $status, "@words: status $status");
        is($result->{out}, '', 'nothing on stdout');
        like(decode_utf8($result->{err}), qr/^seepline $words[0]: .*$pattern.*\n\z/s, 'one line that says why');
    };
    $says->(qr/no \.nothing/, 1, 'path', $file, '_G.nothing');
    $says->(qr/no object begins at 0x10;.* lie from 0x/, 1, 'path', $file, '0x10');
    $says->(qr/no address/, 1, 'path', $file, '0xzz');
    $says->(qr/no node #4000000000/, 1, 'path', $file, '#4000000000');
    $says->(qr/nothing here is called/, 1, 'path', $file, 'zzz zzz');
    $says->(qr/there was no recording/, 1, 'path', $file, 'nothing.lua:1');
    $says->(qr/no state 'x'; it has: state 1/, 1, 'heap', $file, '--state', 'x');
    $says->(qr/is not a snapshot|too short/, 1, 'heap', '/dev/null');
    $says->(qr/No such file/, 1, 'heap', '/nonexistent');
    $says->(qr/it takes one snapshot/, 2, 'heap');
    $says->(qr/it takes two/, 2, 'diff', $file);
    $says->(qr/number of rows/, 2, 'heap', $file, '-n', '0');
    $says->(qr/exports heapsnapshot alone/, 2, 'export', $file, '--format', 'nothing');
    return;
}

# Rows of the export that stand for what is held by a root, and the sums.
sub test_export {
    my ($file, $heap) = @_;
    my $out = "$file.heapsnapshot";
    my $result = seepline('export', $file, '--format', 'heapsnapshot', '-o', $out);
    is($result->{status}, 0, 'export') or diag($result->{err});
    my $text = slurp($out);
    my @keys = $text =~ /^\{?"(\w+)":/mg;
    is_deeply(\@keys, [qw(snapshot nodes edges trace_function_infos trace_tree samples locations strings)], 'keys in V8\'s order');
    my $snapshot = decode_json($text);
    my ($nodes, $edges) = @$snapshot{qw(nodes edges)};
    is(@$nodes, 7 * $snapshot->{snapshot}{node_count}, 'as many nodes as it says');
    is(@$edges, 3 * $snapshot->{snapshot}{edge_count}, 'as many edges as it says');
    my ($size, $edge_sum) = (0, 0);
    for (my $i = 0; $i < @$nodes; $i += 7) { $size += $nodes->[$i + 3]; $edge_sum += $nodes->[$i + 4] }
    is($edge_sum, $snapshot->{snapshot}{edge_count}, 'nodes count their edges');
    is($snapshot->{snapshot}{node_count} - 2, $heap->{objects} - $heap->{unreachable_count}, 'every reachable object is there');
    return;
}

my $script = spew(scratch() . '/made.lua', "keep = {}\nfor i = 1, tonumber(arg[1]) do keep[i] = {i} end\n");

sub test_capture_diff {
    my ($vm) = @_;
    my (undef, $small) = record($vm, $script, 100);
    my (undef, $large) = record($vm, $script, 3000);
    my $diff = answer('diff', $small, $large, '--json');
    my ($tables) = grep { $_->{type} eq 'table' && $_->{line} == 2 } @{$diff->{sites}};
    is_deeply([@$tables{qw(live_growth_count in)}], [2900, 'both'], 'tables of one line, matched by their stack');
    like(decode_utf8(seepline('diff', $small, $large)->{out}), qr/^\s*\+\S+ KiB\s+\+2,900\s+\S.*table\s+\S*made\.lua:2/m, 'for people');
    return;
}

for my $vm (vms()) {
    subtest $vm => sub {
        return plan skip_all => 'no module to read its heap' if !-e probe_of($vm);
        my ($first, $second, $last) = snapshots_of($vm);
        my ($heap, $copies) = test_heap($first);
        test_duplicates($vm, $copies);
        test_paths($first);
        test_deep_path($first, $last);
        test_ephemerons($vm, $first);
        test_diff($first, $second);
        test_text($first);
        test_failures($first);
        test_export($first, $heap);
        SKIP: {
            my $why = why_not_recorded($vm);
            skip $why, 1 if $why;
            test_capture_diff($vm);
        }
    };
}

done_testing();
