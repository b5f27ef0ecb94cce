# The example of the introduction: recorded, it says the same, and the line that made
# most of what survives is the leaking one, with the caller that leaks.

use strict;
use warnings;
use List::Util qw(sum0);
use Test::More;
use JSON::PP qw(decode_json);
use SeepTest qw(root vms show_json seepline);
use RealProgram qw(label twice same_run check_capture line_of);

my $EXAMPLE = root() . '/examples/chat-server.lua';
my $RECORD = line_of($EXAMPLE, qr/return \{ owner = owner, value/);
my $ON = line_of($EXAMPLE, qr/local record = new_record\(owner, callback\)/);
my $ON_BEGINS = line_of($EXAMPLE, qr/^function Emitter:on/);
my %JOIN = map { line_of($EXAMPLE, qr/self\.events:on\("$_"/) => 1 } qw(announcement topic shutdown);
my $JOINED = 20_000;   # users, in the rounds that it plays by itself

# A row's lines, and whether it is a listener: made by new_record for Emitter:on for a
# line of Server:join. In a trace of LuaJIT the innermost calls may be inlined; then the
# row says that it is not exact, and begins somewhere in Emitter:on.
sub lines_of {
    my ($row) = @_;
    return map { $_->{line} } grep { $_->{file} eq $EXAMPLE } @{$row->{stack}};
}

sub is_registration {
    my ($row) = @_;
    my ($first, $second, $third) = lines_of($row);
    return 0 unless defined $second;
    return 1 if defined $third && $first == $RECORD && $second == $ON && $JOIN{$third};
    return !$row->{exact} && $first >= $ON_BEGINS && $first <= $ON && $JOIN{$second};
}

sub check_leak {
    my ($vm, $capture) = @_;
    my ($top_line) = @{show_json($capture, '--by', 'line', '--sort', 'survivors', '-n', 1)->{sites}};
    my $answer = show_json($capture, '--sort', 'survivors', '-n', 12);
    my ($first) = grep { $_->{line} == $top_line->{line} } @{$answer->{sites}};
    my @listeners = grep { $_->{type} eq 'table' && is_registration($_) } @{$answer->{sites}};
    ok(is_registration($first), 'the first line by survivors: its callers are those who register listeners')
        or diag join ' <- ', lines_of($first);
    is(scalar @listeners, 3, 'each of the three registrations is among the first rows');
    is(scalar(grep { $_->{live_count} > 0.99 * $JOINED && $_->{live_count} <= $JOINED } @listeners), 3, 'one record per user');
    is(scalar(grep { $_->{freed_count} == 0 } @listeners), 3, 'none freed');
    # Half to three quarters: those of the last two cycles are too young, and where in a
    # cycle the program ends differs from run to run.
    is(scalar(grep { $_->{survivor_count} > 0.25 * $_->{live_count} } @listeners), 3, 'and many of them have survived');
    return;
}

sub claims {
    my ($capture) = @_;
    my $result = seepline('leaks', $capture, '--json');
    is($result->{status}, 0, 'leaks answers') or diag $result->{err};
    return grep { $_->{verdict} eq 'leak' } @{decode_json($result->{out})->{verdicts}};
}

# The verdict names the helper that makes the records, and the caller for whom it leaks.
sub check_verdict {
    my ($vm, $capture) = @_;
    my ($first) = claims($capture);
    is($first->{file}, $EXAMPLE, 'the first claim is about the example') or return;
    my @listeners = grep { $_->{path} =~ /^_G\.app\.events\.listeners\b/ } @{$first->{held_by} // []};
    ok(scalar @listeners, 'and what holds it is the list of listeners');
    return if $vm =~ /luajit/;    # there the line can be that of a trace's start
    is($first->{line}, $RECORD, 'at the line that makes the records');
    my $caller = $first->{caller}{line} // 0;
    ok($caller == $ON || $JOIN{$caller}, 'for those who register listeners') or diag $caller;
    return;
}

# Only that call path leaks: the others that make records give them back.
sub check_innocent {
    my ($capture) = @_;
    my $answer = show_json($capture);
    my @others = grep { $_->{line} == $RECORD && $_->{type} eq 'table' && !is_registration($_) } @{$answer->{sites}};
    cmp_ok(scalar @others, '>=', 2, 'the history and the sessions make records, too');
    is(scalar(grep { $_->{survivor_count} > 1000 } @others), 0, 'which do not survive');
    return;
}

sub check_fixed {
    my ($vm) = @_;
    my ($alone, $recorded, $capture) = twice([$EXAMPLE, 300, 'fixed'], lua => $vm);
    same_run($alone, $recorded);
    my $answer = check_capture($capture) or return;
    my @registered = grep { $_->{type} eq 'table' && is_registration($_) } @{$answer->{sites}};
    my ($made, $freed) = map { my $field = $_; sum0(map { $_->{$field} } @registered) } qw(alloc_count freed_count);
    cmp_ok($freed, '>', 0.5 * $made, 'without the mistake, listeners are freed');
    is(scalar(claims($capture)), 0, 'and nothing is claimed');
    return;
}

for my $vm (vms()) {
    subtest label($vm) => sub {
        my ($alone, $recorded, $capture) = twice([$EXAMPLE], lua => $vm);
        like($alone->{out}, qr/^$JOINED users joined/m, 'it works');
        same_run($alone, $recorded);
        check_capture($capture) or return;
        check_leak($vm, $capture);
        check_verdict($vm, $capture);
        check_innocent($capture);
    };
    subtest label($vm) . ', fixed' => sub { check_fixed($vm) };
}

done_testing;
