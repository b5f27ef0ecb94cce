#!/usr/bin/perl
# The large cases: a list of three million nodes, a hundred thousand coroutines
# that are abandoned, in mode exact and in mode sample. (test/programs has the
# same in sizes that every test of every VM can run.)
use strict;
use warnings;
use Test::More;
use SeepTest qw(vms execute record show_json scratch spew);

use constant TIMEOUT_S => 80;

my $folder = scratch();

my %programs = (
    'three million nodes' => <<'LUA',
local head
for i = 1, 3000000 do head = { next = head } end
local count, node = 0, head
while node do count = count + 1 node = node.next end
print(count)
LUA
    'a hundred thousand coroutines' => <<'LUA',
local kept = {}
for i = 1, 100000 do
  local co = coroutine.create(function(a) local t = { a } coroutine.yield(t) end)
  local ok, t = coroutine.resume(co, i)
  assert(ok and t[1] == i)
  if i % 100 == 0 then kept[#kept + 1] = co end
end
print(#kept)
LUA
    'recursion that allocates at every depth' => <<'LUA',
local function down(n) local t = { n } if n > 0 then t[2] = down(n - 1) end return t end
for i = 1, 20 do down(2000) end
print(pcall(function() local function forever(n) return { forever(n + 1) } end return forever(1) end))
LUA
);

sub check {
    my ($vm, $program, @mode) = @_;
    my $plain = execute([$vm, $program], timeout => TIMEOUT_S);
    my ($result, $capture) = record($vm, $program, { run_options => ['--no-summary', @mode], timeout => TIMEOUT_S });
    is($result->{signal}, 0, "@mode: it ends by itself");
    is($result->{status}, $plain->{status}, "@mode: status");
    is($result->{out} =~ s/0x[0-9a-f]+/0x/gr, $plain->{out} =~ s/0x[0-9a-f]+/0x/gr, "@mode: stdout");
    my $answer = show_json($capture, '--by', 'type');
    ok($answer && $answer->{complete}, "@mode: the capture is complete") or return;
    my $totals = $answer->{totals};
    if ($answer->{mode} eq 'exact') {
        is($totals->{live_bytes}, $totals->{vm_bytes}, 'live is the VM\'s own count');
    } else {
        my ($low, $high) = @{$totals->{ci95}{live_bytes}};
        # Seeds are random here: far outside is what cannot be.
        my $width = $high - $low;
        ok($totals->{vm_bytes} > $low - $width && $totals->{vm_bytes} < $high + $width, 'the estimate is near the VM\'s own count')
            or diag("$low $totals->{vm_bytes} $high");
    }
    unlink $capture;
}

for my $vm (vms()) {
    for my $name (sort keys %programs) {
        my $program = spew("$folder/large.lua", $programs{$name});
        subtest "$vm: $name" => sub {
            check($vm, $program);
            check($vm, $program, '--mode', 'sample');
        };
    }
}

done_testing();
