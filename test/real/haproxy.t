# HAProxy with a Lua service and a Lua task: a host in C with a shared liblua, which
# runs Lua in coroutines that it resumes itself, in one state or one for each thread.
# It is told to end in the ways it knows, and its capture shows the service's leak.

use strict;
use warnings;
use List::Util qw(sum0);
use Test::More;
use SeepTest qw(root scratch seepline seepline_path show_json spew);
use RealProgram qw(need_programs same_text without_pids check_capture line_of
                   start_program finish_program child_of listen_locally fetch_all);

my $SERVICE = root() . '/test/real/haproxy/service.lua';
my $REQUESTS = 600;
my $ITEMS = 100;      # more than the service caches
my $AT_ONCE = 6;

need_programs(haproxy => 'haproxy');

# Every third asks for what is not there.
my @PATHS = map { $_ % 3 ? '/item/' . $_ % $ITEMS . "?visit=$_" : "/nothing/$_" } 1 .. $REQUESTS;

# The lines of the service that matter, by what stands there.
my %LINE = (
    visit     => line_of($SERVICE, qr/return \{ path = path/),
    note      => line_of($SERVICE, qr/visits\[#visits \+ 1\] =/),
    serve     => line_of($SERVICE, qr/^  note_visit\(applet\)/),
    part      => line_of($SERVICE, qr/parts\[i\] = \{/),
    sample    => line_of($SERVICE, qr/samples\[sampled % RING_SIZE/),
);

sub configuration {
    my ($socket, %case) = @_;
    my $load = $case{threads} > 1 ? 'lua-load-per-thread' : 'lua-load';
    my $fd = fileno $socket;
    return spew(scratch() . '/haproxy.cfg', <<"END");
global
  nbthread $case{threads}
  $load $SERVICE
defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 20s
frontend items
  bind fd\@$fd
  http-request use-service lua.items
END
}

# -- One run ---------------------------------------------------------------------

# Starts HAProxy, sends all requests, calls `meanwhile` with its process number, and
# stops it. Returns what it answered and how it ended.
sub serve {
    my ($recorder, %case) = @_;
    my $socket = listen_locally();
    my $port = $socket->sockport;
    my @words = (@$recorder, 'haproxy', $case{master} ? '-W' : (), '-db', '-f', configuration($socket, %case));
    my $started = start_program(\@words, inherits => $socket);
    my @answers = fetch_all($port, $AT_ONCE, @PATHS);
    my $haproxy = @$recorder ? child_of($started, 'haproxy') : $started;
    my $worker = $case{master} ? child_of($haproxy, 'haproxy') : $haproxy;
    $case{meanwhile}->($worker) if $case{meanwhile};
    # A signal for the recorder reaches the program as well.
    kill $case{signal}, $case{tell_recorder} ? $started : $haproxy;
    return (\@answers, finish_program($started), $worker);
}

sub show_running {
    my ($worker) = @_;
    my $shown = seepline('show', $worker, '-n', 5);
    is($shown->{status}, 0, 'seepline show PID while it runs') or diag $shown->{err};
    like($shown->{out}, qr/still running/, 'says so');
    my $answer = show_json($worker);
    ok($answer->{running}, 'and so does its JSON');
    is($answer->{pid}, $worker, 'which names the process');
    is(visits_in($answer), $REQUESTS, 'every visit so far is there');
    return;
}

# -- The capture -----------------------------------------------------------------

sub rows_at {
    my ($answer, $line, $type) = @_;
    return grep { $_->{file} eq $SERVICE && $_->{line} == $line && $_->{type} eq $type } @{$answer->{sites}};
}

sub total { my ($field, @rows) = @_; return sum0(map { $_->{$field} } @rows) }

sub visits_in { my ($answer) = @_; return total('live_count', rows_at($answer, $LINE{visit}, 'table')) }

sub check_service {
    my ($answer) = @_;
    my ($visit) = rows_at($answer, $LINE{visit}, 'table');
    is(visits_in($answer), $REQUESTS, 'one record per request is alive');
    is(total('freed_count', rows_at($answer, $LINE{visit}, 'table')), 0, 'and none of them was freed');
    my @lines = map { $_->{line} } grep { $_->{file} eq $SERVICE } @{$visit->{stack}};
    is("@lines", "$LINE{visit} $LINE{note} $LINE{serve}", 'its stack names the callers');
    ok(total('live_bytes', rows_at($answer, $LINE{visit}, 'string')) > 0, 'its strings are told apart');
    my @parts = rows_at($answer, $LINE{part}, 'table');
    cmp_ok(total('freed_count', @parts), '>', 0, 'what left the cache was freed');
    ok(scalar rows_at($answer, $LINE{sample}, 'table'), 'the periodic task is there');
    return;
}

# -- The cases -------------------------------------------------------------------

sub check_case {
    my (%case) = @_;
    my $capture = scratch() . "/$case{name}.seep";
    $capture =~ tr/ /-/;
    my ($expected, $alone) = serve([], %case);
    my @recorder = (seepline_path(), 'run', '--no-summary', '-o', $capture);
    my ($answers, $recorded, $worker) = serve(\@recorder, %case, meanwhile => \&show_running);
    ok($alone && $recorded, 'it ended both times') or return;
    is(scalar(grep { m{^HTTP/1.1 200 OK\r\n.*weighs}s } @$expected), $REQUESTS * 2 / 3, 'the service works');
    same_text(join("\n", @$answers), join("\n", @$expected), 'the same answers');
    same_text($recorded->{out}, $alone->{out}, 'the same on stdout');
    same_text(without_pids($recorded->{err}), without_pids($alone->{err}), 'the same on stderr');
    is("$recorded->{status}/$recorded->{signal}", "$alone->{status}/$alone->{signal}", 'the same exit status and signal');
    $capture =~ s/\.seep$/.$worker.seep/ if $case{master};
    my $answer = check_capture($capture, host => 1, complete => $case{complete}) or return;
    is($answer->{vm}, 'Lua 5.3', 'the Lua that Debian builds it with');
    is(scalar @{$answer->{states}}, $case{states}, "$case{states} states");
    check_service($answer);
    return;
}

# With one state, HAProxy has a second one, empty, for the other way to load.
my @CASES = (
    {name => 'one thread, told to finish', threads => 1, states => 2, signal => 'USR1', complete => 1},
    {name => 'one thread, the recorder told to finish', threads => 1, states => 2, signal => 'USR1', complete => 1,
        tell_recorder => 1},
    {name => 'one thread, terminated', threads => 1, states => 2, signal => 'TERM', complete => 0},
    {name => 'a state for each of two threads', threads => 2, states => 3, signal => 'USR1', complete => 1},
    {name => 'a master and its worker', threads => 1, states => 2, signal => 'USR1', complete => 1, master => 1},
);

for my $case (@CASES) {
    subtest $case->{name} => sub { check_case(%$case) };
}

done_testing;
