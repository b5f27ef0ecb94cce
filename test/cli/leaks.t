#!/usr/bin/env perl
# `seepline leaks`: its answer for people and for programs, its statuses, and what it says when it cannot tell.

use strict;
use warnings;
use Test::More;
use JSON::PP qw(decode_json);
use SeepTest qw(vms record seepline scratch slurp spew);

my $leaky = spew(scratch() . '/leaky.lua', <<'END');
local listeners, sum = {}, 0
local function copy(t)
  local to = {}
  for k, v in pairs(t) do to[k] = v end
  return to
end
local function listen(n)
  listeners[n] = copy({ name = "listener " .. n, n = n })
end
local function work(n)
  local c = copy({ n = n, square = n * n })
  return c.square
end
for n = 1, 20000 do
  for i = 1, 5 do sum = sum + work(n * i) end
  if n % 2 == 0 then listen(n / 2) end
end
print(sum > 0)
END
my $clean = spew(scratch() . '/clean.lua', <<'END');
local cache, sum = {}, 0
for i = 1, 200000 do
  cache[i % 500] = { i, tostring(i) }
  sum = sum + #cache[i % 500][2]
end
print(sum)
END
my $short = spew(scratch() . '/short.lua', "local t = {}\nfor i = 1, 50 do t[i] = { i } end\nprint(#t)\n");

sub leaks_json {
    my ($capture, @options) = @_;
    my $result = seepline('leaks', $capture, '--json', @options);
    return ($result->{status} == 0 || $result->{status} == 3 ? decode_json($result->{out}) : undef, $result);
}

my %type = map { $_ => 1 } qw(table string function userdata thread proto upvalue cdata buffer other);
my %verdict = map { $_ => 1 } qw(leak saturating warmup static churn none);

sub check_row {
    my ($row) = @_;
    my @bad;
    push @bad, 'verdict' unless $verdict{$row->{verdict}};
    push @bad, 'confidence' unless $row->{confidence} >= 0 && $row->{confidence} <= 1;
    push @bad, 'type' unless $type{$row->{type}};
    for my $text (qw(file function evidence)) { push @bad, $text unless length $row->{$text} }
    for my $number (qw(line live_bytes live_count survivor_bytes_per_epoch)) {
        push @bad, $number unless ($row->{$number} // '') =~ /^\d+$/;
    }
    push @bad, 'stack' unless ref $row->{stack} eq 'ARRAY';
    push @bad, 'caller' if $row->{caller} && grep { !defined $row->{caller}{$_} } qw(file line function);
    is_deeply(\@bad, [], "a row has its fields ($row->{file}:$row->{line})");
    return;
}

for my $vm (vms()) {
    subtest "$vm: a program that leaks" => sub {
        my ($run, $capture) = record($vm, $leaky);
        is($run->{status}, 0, 'it ran') or return;
        my ($answer, $result) = leaks_json($capture);
        is($result->{status}, 0, 'what was found does not change the status');
        is($answer->{schema}, 1, 'schema 1');
        check_row($_) for @{$answer->{verdicts}};
        my @claims = grep { $_->{verdict} eq 'leak' } @{$answer->{verdicts}};
        ok(@claims, 'there are claims');
        my @first = map { $_->{verdict} } @{$answer->{verdicts}}[0 .. $#claims];
        is_deeply(\@first, [('leak') x @claims], 'claims come first');
        if ($vm !~ /luajit/) {
            like($claims[0]{file}, qr/leaky\.lua$/, 'the first claim: the file');
            ok($claims[0]{line} == 8 || ($claims[0]{caller}{line} // 0) == 8, 'the line that keeps the copies')
                or diag explain $claims[0];
        }
        my ($three, $limited) = leaks_json($capture, '-n', 1);
        is(scalar @{$three->{verdicts}}, 1, '-n limits the rows');
        is(seepline('leaks', '--fail-on-leak', $capture)->{status}, 3, '--fail-on-leak: status 3');
        my $text = seepline('leaks', $capture)->{out};
        like($text, qr/\bleaks? \(\d+ full collections?/, 'for people: how many lines leak');
        like($text, qr/^LEAK .*leaky\.lua:\d+/m, 'for people: the line');
    };
    subtest "$vm: a program that does not leak" => sub {
        my ($run, $capture) = record($vm, $clean);
        my ($answer) = leaks_json($capture);
        check_row($_) for @{$answer->{verdicts}};
        is_deeply([grep { $_->{verdict} eq 'leak' } @{$answer->{verdicts}}], [], 'no claim');
        is(seepline('leaks', '--fail-on-leak', $capture)->{status}, 0, '--fail-on-leak: status 0');
        like(seepline('leaks', $capture)->{out}, qr/^No leak found in \d+ full collections/m, 'and it says so');
    };
    subtest "$vm: too short to tell" => sub {
        my ($run, $capture) = record($vm, $short);
        my ($answer) = leaks_json($capture);
        is_deeply([grep { $_->{verdict} eq 'leak' } @{$answer->{verdicts}}], [], 'no claim');
        like(seepline('leaks', $capture)->{out}, qr/^Too few collections to tell/m, 'and it says so');
    };
}

my $vm = (vms())[0];

subtest 'the summary of run ends with the claims' => sub {
    my ($run) = record($vm, $leaky, { run_options => ['-n', '1'] });
    like($run->{err}, qr/^\d+ lines? leaks? .*\nLEAK +\S+:\d+/m, 'a leak');
    ($run) = record($vm, $clean, { run_options => ['-n', '1'] });
    like($run->{err}, qr/^No leak found in \d+ full collections/m, 'none');
    ($run) = record($vm, $short, { run_options => ['-n', '1'] });
    like($run->{err}, qr/^Too few collections to tell/m, 'too short');
};

subtest 'a program that is killed, and one that runs' => sub {
    my $endless = spew(scratch() . '/endless.lua',
        slurp($leaky) . "io.stdout:write('ready\\n') io.stdout:flush() io.read()\n");
    my $capture = scratch() . '/endless.seep';
    pipe(my $ready, my $out) or die;
    pipe(my $stdin, my $keep) or die;
    my $pid = fork() // die;
    if ($pid == 0) {
        close $keep; close $ready;
        open STDIN, '<&', $stdin or die;
        open STDOUT, '>&', $out or die;
        exec SeepTest::seepline_path(), 'run', '--no-summary', '-o', $capture, '--lua', $vm, $endless or die;
    }
    close $out; close $stdin;
    while (my $line = <$ready>) { last if $line =~ /ready/ }
    my ($child) = split ' ', slurp("/proc/$pid/task/$pid/children");
    my ($answer, $result) = leaks_json($child);
    ok($answer && $answer->{verdicts}[0]{verdict} eq 'leak', 'by its process number') or diag $result->{err};
    like(seepline('leaks', $child)->{out}, qr/still running/, 'it is said that it runs');
    kill KILL => $child;
    waitpid $pid, 0;
    ($answer) = leaks_json($capture);
    is($answer->{verdicts}[0]{verdict}, 'leak', 'nothing is lost by kill -9');
    my $other = slurp($capture);
    substr($other, 88, 4) = pack 'V', 9;    # not sealed: there is no checksum in the way
    $result = seepline('leaks', spew(scratch() . '/other.seep', $other));
    is($result->{status}, 1, 'a mode that knows nothing of survivors');
    like($result->{err}, qr/its mode does not know what survives/, 'it says so');
};

subtest 'what cannot be done' => sub {
    my ($run, $capture) = record($vm, $short);
    my $damaged = slurp($capture);
    substr($damaged, 5000, 1) ^= "\x40";
    for my $case (
        [1, qr/no such file/i, 'leaks', scratch() . '/none.seep'],
        [1, qr/damaged/, 'leaks', spew(scratch() . '/damaged.seep', $damaged)],
        [1, qr/not a seepline capture/, 'leaks', $leaky],
        [2, qr/-n takes a number/, 'leaks', '-n', 'few', $capture],
        [2, qr/one capture or one process/, 'leaks'],
        [2, qr/one capture or one process/, 'leaks', $capture, $capture],
        [2, qr/unrecognized option/, 'leaks', '--fail', '--leak', $capture],
    ) {
        my ($status, $message, @words) = @$case;
        my $result = seepline(@words);
        is($result->{status}, $status, "status $status: @words[1 .. $#words]");
        like($result->{err}, $message, 'it says why');
        is($result->{err} =~ tr/\n//, 1, 'in one line');
        is($result->{out}, '', 'nothing on stdout');
    }
};

done_testing();
