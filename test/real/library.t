# wrk, a load generator with a shared LuaJIT: a state for itself and one for each of
# its threads, all of them at work at once.

use strict;
use warnings;
use List::Util qw(sum0);
use Test::More;
use SeepTest qw(execute root scratch seepline_path);
use RealProgram qw(need_programs check_capture serve_locally stop_all);

my $SCRIPT = root() . '/test/real/wrk/report.lua';
my $THREADS = 2;

need_programs(wrk => 'wrk');

# What differs from run to run: every quantity.
sub without_quantities {
    my ($text) = @_;
    $text =~ s/-?\b[\d.]+(?:[a-zA-Z]+\b|%)?/N/g;
    $text =~ s/ +/ /g;
    return $text;
}

my $port = serve_locally($THREADS);
my $capture = scratch() . '/wrk.seep';
my @words = ('wrk', "-t$THREADS", "-c$THREADS", '-d1s', '-s', $SCRIPT, "http://127.0.0.1:$port/");
my $alone = execute(\@words, timeout => 30);
my $recorded = execute([seepline_path(), 'run', '--no-summary', '-o', $capture, @words], timeout => 30);
stop_all();

like($alone->{out}, qr/^0 failures$/m, 'it works');
is(without_quantities($recorded->{out}), without_quantities($alone->{out}), 'the same on stdout, but for quantities');
is($recorded->{err}, $alone->{err}, 'the same on stderr');
is("$recorded->{status}/$recorded->{signal}", "$alone->{status}/$alone->{signal}", 'the same exit status and signal');

my $answer = check_capture($capture, host => 1);
is($answer->{vm}, 'LuaJIT 2.1', 'its Lua');
is(scalar @{$answer->{states}}, $THREADS + 1, 'a state for itself and one for each thread');
my ($requests) = $recorded->{out} =~ /^\s*(\d+) requests in/m;
my @kept = grep { $_->{file} eq $SCRIPT && $_->{type} eq 'table' && $_->{freed_count} == 0 } @{$answer->{sites}};
my $kept = sum0(map { $_->{live_count} } @kept);
cmp_ok($kept, '>=', $requests, 'every answer that its script keeps is there');
cmp_ok($kept, '<', $requests * 1.1 + 100, 'and not much else');
ok((grep { $_->{file} eq $SCRIPT } @{$answer->{sites}}[0 .. 2]), 'the script is at the top');

done_testing;
