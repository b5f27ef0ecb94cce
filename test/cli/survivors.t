#!/usr/bin/perl
# Epochs, survivors and temporaries, with the collector under the program's
# control: it is stopped but for the calls that the program makes.
use strict;
use warnings;
use Test::More;
use SeepTest qw(vms record show_json rows_of scratch spew);

my $folder = scratch();
my $number = 0;

sub recorded {
    my ($vm, $text) = @_;
    my ($result, $capture) = record($vm, spew("$folder/program" . $number++ . '.lua', $text));
    is($result->{status}, 0, 'the program ran') or diag($result->{err});
    return show_json($capture);
}

# Lines of a table's own blocks (not its parts).
sub tables_at {
    my ($answer, $line) = @_;
    my %sum;
    for my $row (rows_of($answer, sub { $_[0]{line} == $line && ($_[0]{type} // '') eq 'table' && $_[0]{file} =~ /program/ })) {
        $sum{$_} += $row->{$_} for qw(alloc_count live_count survivor_count temporary_count);
    }
    return \%sum;
}

# Something to free, so that every collection is seen. (A trace compiler makes
# blocks of its own.)
my $prelude = 'if jit then jit.off() end '
    . 'if _VERSION == "Lua 5.4" or _VERSION == "Lua 5.5" then collectgarbage("incremental") end collectgarbage() collectgarbage("stop") '
    . 'kept = {} local function some() local t = {} for i = 1, 10 do t[i] = { i } end return t end ';

sub epochs_after {
    my ($vm, $collections) = @_;
    my $calls = join "\n", map { "some() collectgarbage()" } 1 .. $collections;
    return recorded($vm, "$prelude\n$calls\nsome()\n")->{totals}{epochs};
}

sub test_epochs {
    my ($vm) = @_;
    my $none = epochs_after($vm, 0);
    for my $collections (1, 2, 5, 20, 700) {
        is(epochs_after($vm, $collections) - $none, $collections, "$collections collections are $collections epochs");
    }
}

# A thing lives through n ends of an epoch: from two on it is a survivor.
sub test_survivors {
    my ($vm) = @_;
    for my $ends (0 .. 4) {
        my $calls = join ' ', map { 'some() collectgarbage()' } 1 .. $ends;
        my $answer = recorded($vm, <<"LUA");
$prelude
for i = 1, 100 do local t = {} kept[i] = t end
$calls
some()
LUA
        my $at = tables_at($answer, 2);
        is($at->{live_count}, 100, "after $ends collections all are alive");
        is($at->{survivor_count}, $ends >= 2 ? 100 : 0, 'and ' . ($ends >= 2 ? 'all' : 'none') . ' are survivors');
        is($at->{temporary_count}, 0, 'none was temporary');
    }
}

sub test_temporaries {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA");
$prelude
for i = 1, 100 do local t = {} kept[i] = t end
for i = 1, 50 do kept[i] = nil end
some() collectgarbage()
for i = 51, 70 do kept[i] = nil end
some() collectgarbage()
some() collectgarbage()
some() collectgarbage()
for i = 71, 75 do kept[i] = nil end
some() collectgarbage()
some()
LUA
    my $at = tables_at($answer, 2);
    is($at->{alloc_count}, 100, '100 tables');
    is($at->{live_count}, 25, '25 stay');
    is($at->{survivor_count}, 25, 'and are survivors');
    # 50 went at the first collection; 20 at the second, having seen one end; 5 were survivors when they went.
    is($at->{temporary_count}, 70, '70 went before they were survivors, 5 after');
}

# Each generation of blocks is told apart.
sub test_generations {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA");
$prelude
local function make(n) for i = 1, n do
  local t = {}
  kept[#kept + 1] = t
end end
make(10) some() collectgarbage()
make(20) some() collectgarbage()
make(30) some() collectgarbage()
make(40)
some()
LUA
    my $at = tables_at($answer, 3);
    is($at->{live_count}, 100, 'all are alive');
    is($at->{survivor_count}, 30, 'those of the first two generations are survivors');
}

# Buffers keep their age when they grow.
sub test_resizes {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA");
$prelude
local t = {}
for i = 1, 100 do t[i] = i end
some() collectgarbage()
some() collectgarbage()
some() collectgarbage()
for i = 101, 200 do t[i] = i end
some()
kept.t = t
LUA
    my ($row) = rows_of($answer, sub { $_[0]{line} == 7 && $_[0]{type} eq 'buffer' && $_[0]{live_count} > 0 && $_[0]{file} =~ /program/ });
    ok($row, 'the array grew on line 7') or return;
    cmp_ok($row->{survivor_count}, '>=', 1, 'and is as old as it was');
}

# More epochs than an age can count.
sub test_many_epochs {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA");
$prelude
for i = 1, 60 do local t = {} kept[i] = t end
for epoch = 1, 1100 do some() collectgarbage() if epoch % 20 == 0 then kept[epoch / 20] = nil end end
for i = 1, 10 do local t = {} kept[100 + i] = t end
some()
LUA
    my $at = tables_at($answer, 2);
    is($at->{alloc_count}, 60, '60 tables');
    is($at->{live_count}, 6, '6 are left') or diag(explain($at));
    is($at->{survivor_count}, 6, 'all of them survivors');
    is($at->{temporary_count}, 0, 'none went young');
    is(tables_at($answer, 4)->{survivor_count}, 0, 'new ones are not old');
}

# Steps of the collector are no epochs; a whole cycle in steps is one.
sub test_steps {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA");
$prelude
local cycles = 0
for i = 1, 20000 do
  some()
  if collectgarbage("step", 1) then cycles = cycles + 1 if cycles == 5 then break end end
end
some()
io.write(cycles)
LUA
    my $whole = epochs_after($vm, 0);
    my $epochs = $answer->{totals}{epochs} - $whole;
    ok($epochs >= 4 && $epochs <= 6, "five cycles in steps are about five epochs: $epochs");
}

sub test_generational_mode {
    my ($vm) = @_;
    my $answer = recorded($vm, <<'LUA');
collectgarbage("generational")
kept = {}
for i = 1, 1000 do local t = {} kept[i] = t end
for i = 1, 300000 do local t = { i } end
LUA
    my $totals = $answer->{totals};
    cmp_ok($totals->{minor_collections}, '>', 10, 'minor collections are counted');
    cmp_ok($totals->{minor_collections}, '>', $totals->{epochs}, 'apart from epochs');
    my $before = $totals->{epochs};
    $answer = recorded($vm, <<'LUA');
collectgarbage("generational")
kept = {}
for i = 1, 1000 do local t = {} kept[i] = t end
for i = 1, 300000 do local t = { i } end
local function some() local t = {} for i = 1, 10 do t[i] = { i } end return t end
some() collectgarbage()
some() collectgarbage()
some() collectgarbage()
some()
LUA
    is($answer->{totals}{epochs} - $before, 3, 'full collections in generational mode are epochs');
    is(tables_at($answer, 3)->{survivor_count}, 1000, 'and make survivors');
    my $incremental = recorded($vm, 'collectgarbage("incremental") collectgarbage() for i = 1, 300000 do local t = { i } end');
    # Before the program asks for it, the interpreter itself may have been in generational mode.
    cmp_ok($incremental->{totals}{minor_collections}, '<', 10, 'in incremental mode there are none');
}

# Two collections in a row leave the white as it was; where nothing is freed, nothing else shows.
sub test_pairs {
    my ($vm) = @_;
    my $answer = recorded($vm, <<'LUA');
local kept = {}
for i = 1, 40 do
  for k = 1, 100 do kept[#kept + 1] = { k } end
  collectgarbage() collectgarbage()
end
LUA
    cmp_ok($answer->{totals}{epochs}, '>=', 39, 'pairs of collections are epochs');
    cmp_ok($answer->{totals}{epochs}, '<=', 90, 'one or two each');
}

for my $vm (vms()) {
    subtest "$vm: epochs" => sub { test_epochs($vm) };
    subtest "$vm: survivors" => sub { test_survivors($vm) };
    subtest "$vm: temporaries" => sub { test_temporaries($vm) };
    subtest "$vm: generations" => sub { test_generations($vm) };
    subtest "$vm: resizes" => sub { test_resizes($vm) };
    subtest "$vm: many epochs" => sub { test_many_epochs($vm) };
    subtest "$vm: pairs of collections" => sub { test_pairs($vm) };
    subtest "$vm: steps" => sub { test_steps($vm) };
    subtest "$vm: generational mode" => sub { test_generational_mode($vm) } if $vm =~ /5\.4/;
}

done_testing();
