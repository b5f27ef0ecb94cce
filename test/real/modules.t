# Modules in C: LPeg, which allocates past the VM's own count, and cjson. What LPeg
# holds is recorded with its lines, and the difference to the VM's count is what it holds.

use strict;
use warnings;
use List::Util qw(sum0);
use Test::More;
use SeepTest qw(root vms);
use RealProgram qw(lua_environment label twice same_run check_capture line_of);

my $PROGRAM = root() . '/test/real/modules/grammar.lua';
my $KEEP_BEGINS = line_of($PROGRAM, qr/for i = 1, KEPT_PATTERNS/);   # where a trace of LuaJIT begins
my $KEEP_ENDS = line_of($PROGRAM, qr/return kept/);
my $KEPT = 40;

sub check_patterns {
    my ($answer) = @_;
    my $outside = $answer->{totals}{live_bytes} - $answer->{totals}{vm_bytes};
    my @rows = grep { $_->{file} eq $PROGRAM && $_->{line} >= $KEEP_BEGINS && $_->{line} < $KEEP_ENDS } @{$answer->{sites}};
    my @patterns = grep { $_->{type} eq 'userdata' } @rows;
    cmp_ok(sum0(map { $_->{live_count} } @patterns), '>=', $KEPT, 'the patterns are userdata at their line');
    cmp_ok($outside, '>', 0, "the rows know what the VM's own count does not");
    cmp_ok($outside, '<', 65536, 'which is not much');
    note "$outside bytes past the VM's own count";
    return;
}

for my $vm (vms()) {
    subtest label($vm) => sub {
        my ($alone, $recorded, $capture) = twice([$PROGRAM], lua => $vm, env => lua_environment($vm));
        plan skip_all => "no lpeg or cjson here (packages lua-lpeg, lua-cjson): $alone->{err}" if $alone->{status} != 0;
        like($alone->{out}, qr/^2000\tname "7"\t/, 'it works');
        same_run($alone, $recorded);
        my $answer = check_capture($capture, outside => 'what LPeg allocates past it') or return;
        check_patterns($answer);
    };
}

done_testing;
