#!/usr/bin/perl
# Whose line is it: programs of which it is known where each block was made. A
# row may say that its line is near ("exact": false); it must not name a wrong
# one as exact.
use strict;
use warnings;
use Test::More;
use SeepTest qw(vms execute record show_json rows_of scratch spew);

my $folder = scratch();
my $number = 0;

# What LuaJIT's traces allocate is tested in lines/traces.t; here the interpreter is.
my $prelude = 'if jit then jit.off() end collectgarbage("stop") local load = loadstring or load';

# Records a program. (Its last block has a test of its own.)
sub recorded {
    my ($vm, $text, $name) = @_;
    my $script = spew("$folder/" . ($name // 'program' . $number++ . '.lua'), "$text\nlocal the_last = { {} }\n");
    my ($result, $capture) = record($vm, $script);
    is($result->{status}, 0, 'the program ran') or diag($result->{err});
    my $answer = show_json($capture) or return;
    $_->{name} = $_->{file} =~ s/.*\///r for @{$answer->{sites}};
    return $answer;
}

sub place { my ($frame) = @_; return ($frame->{file} =~ s/.*\///r) . ":$frame->{line}" }

sub lua_frames { my ($row) = @_; return grep { $_->{file} ne '[C]' } @{$row->{stack}} }

# Rows of a line and type that were allocated.
sub at {
    my ($answer, $name, $line, $type) = @_;
    return rows_of($answer, sub { $_[0]{name} eq $name && $_[0]{line} == $line && $_[0]{type} eq $type && $_[0]{alloc_count} > 0 });
}

sub count { my $sum = 0; $sum += $_->{alloc_count} for @_; return $sum }

# -- Random programs -----------------------------------------------------------------------------------------------

# A function of many lines, each of which makes a known number of things each
# time; returns its text and {line => {type => count}}.
sub random_program {
    my ($rounds) = @_;
    my (@lines, %truth);
    my $make = sub { my ($type, $count) = @_; $truth{scalar @lines}{$type} += ($count // 1) * $rounds };
    push @lines, $prelude, 'local function noop(...) return ... end', 'local function two(a, b) return a, b end', 'kept = {}',
        'local function body(i, u, ...)', 'local x, y, s = 1, 2, u';
    my @statements = (
        [sub { push @lines, 'x = {}'; $make->('table') }],
        [sub { push @lines, 'kept[#kept + 1] = { i, i }'; $make->('table') }],
        [sub { push @lines, 'x = { a = i, b = 2, i }'; $make->('table') }],
        [sub { push @lines, 'x = { a = {'; $make->('table', 2); push @lines, 'b = { i },'; $make->('table'); push @lines, '}, c = 5 }' }],
        [sub { push @lines, 'x = {'; $make->('table'); push @lines, 'a = { i },'; $make->('table'); push @lines, 'b = i, c = {},'; $make->('table'); push @lines, '}' }],
        [sub { push @lines, 'noop({ 1 }, { 2 }, {})'; $make->('table', 3) }],
        [sub { push @lines, 'x = { two(i, i) }'; $make->('table') }],
        [sub { push @lines, 'x = { ... }'; $make->('table') }],
        [sub { push @lines, 'x = { two(1, 2), two({}, { i }) }'; $make->('table', 3) }],
        [sub { push @lines, 'x, y = { i }, { i, i, i }'; $make->('table', 2) }],
        [sub { push @lines, "s = u .. 'L" . @lines . "'"; $make->('string') }],
        [sub { push @lines, "x = { u .. 'M" . @lines . "' }"; $make->('string'); $make->('table') }],
        [sub { push @lines, 'y = function() return i end'; $make->('function') }],
        [sub { push @lines, 'x = { function() return i, s end, {} }'; $make->('function'); $make->('table', 2) }],
        [sub { push @lines, 'if i > 0 then x = { i } else x = 5 end'; $make->('table') }],
        [sub { push @lines, 'for j = 1, 3 do x = { j } end'; $make->('table', 3) }],
        [sub { push @lines, 'do local a = { i } x = a[1] end x = { x }'; $make->('table', 2) }],
        [sub { push @lines, 'x = coroutine.create(noop)'; $make->('thread') }],
        [sub { push @lines, 'y = 1 + i * 2' }],
        [sub { push @lines, 'noop(i)' }],
        [sub { push @lines, '' }],
        [sub { push @lines, 'if y == nil then noop() end' }],
    );
    for (1 .. 60) { $statements[int rand @statements][0]->() }
    push @lines, 'return x', 'end', "for i = 1, $rounds do", "local unique = 'u' .. i", 'body(i, unique, 1, 2)', 'end';
    # Line n is the n-th element: the count was taken after its push.
    return (join("\n", @lines) . "\n", \%truth, scalar @lines);
}

sub test_random {
    my ($vm) = @_;
    my $rounds = 7;
    srand 42;
    for my $seed (1 .. 6) {
        my ($text, $truth, $last) = random_program($rounds);
        my $answer = recorded($vm, $text) or next;
        my $name = 'program' . ($number - 1) . '.lua';
        my (@wrong, @elsewhere, %all, %expected, %inexact);
        for my $line (6 .. $last - 5) {
            for my $type (qw(table string function thread)) {
                my $expected = $truth->{$line}{$type} // 0;
                my @rows = at($answer, $name, $line, $type);
                my $exact = count(grep { $_->{exact} } @rows);
                push @wrong, "line $line: $exact of $type, not $expected" if $exact > $expected;
                push @wrong, "line $line: $exact of $type, not $expected, on a VM that is always exact" if $exact != $expected && $vm =~ /5\.[23]/;
                my $all = count(@rows);
                push @elsewhere, "line $line: $all of $type, not $expected" if $all != $expected;
                $all{$type} += $all;
                $inexact{$type} += count(@rows) - $exact;
                $expected{$type} += $expected;
            }
        }
        is(scalar @wrong, 0, "program $seed: no wrong line is called exact") or diag(join "\n", @wrong, $text);
        for my $type (sort keys %all) {
            is($all{$type}, $expected{$type}, "program $seed: all of type $type") or diag(join "\n", @elsewhere, $text);
        }
        note("inexact: " . join ', ', map { "$inexact{$_} of $all{$_} $_" } sort keys %all);
    }
}

# Tables of variable arguments, behind other tables.
sub test_vararg_tables {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA", 'varargs.lua') or return;
$prelude
local function body(i, u, ...)
local x, y, s = 1, 2, u
do local a = { i } x = a[1] end x = { x }
x = { ... }
x = { a = i, b = 2, i }
y = function() return i end
return x
end
for i = 1, 7 do
local unique = 'u' .. i
body(i, unique, 1, 2)
end
LUA
    my %truth = (4 => 14, 5 => 7, 6 => 7);
    for my $line (sort keys %truth) {
        my @rows = at($answer, 'varargs.lua', $line, 'table');
        my $exact = count(grep { $_->{exact} } @rows);
        cmp_ok($exact, '<=', $truth{$line}, "line $line has no more than its own");
        is($exact, $truth{$line}, "line $line has all of its own") if $vm =~ /5\.[23]/;
    }
}

# -- Stacks --------------------------------------------------------------------------------------------------------

sub test_callers {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA", 'callers.lua') or return;
$prelude kept = {}
local function make(i)
  local t = { i }
  return t
end
local function left(i)
  local t = make(i)
  return t
end
local function right(i)
  local t = make(i)
  return t
end
for i = 1, 30 do
  kept[i] = left(i)
end
for i = 1, 12 do
  kept[i] = right(i)
end
LUA
    my @rows = sort { $b->{alloc_count} <=> $a->{alloc_count} } at($answer, 'callers.lua', 3, 'table');
    is_deeply([map { $_->{alloc_count} } @rows], [30, 12], 'two ways to the same line') or return;
    is_deeply([map { place($_) } lua_frames($rows[0])], ['callers.lua:3', 'callers.lua:7', 'callers.lua:15'], 'the first way');
    is_deeply([map { place($_) } lua_frames($rows[1])], ['callers.lua:3', 'callers.lua:11', 'callers.lua:18'], 'the second way');
    like($rows[0]{function}, qr/make|:2>/, 'its function');
    is((lua_frames($rows[0]))[-1]{function}, 'main chunk', 'main chunk');
    is(scalar(grep { $_->{coroutine} || $_->{tail} } @{$rows[0]{stack}}), 0, 'neither coroutines nor tail calls');
}

sub test_c_frames {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA", 'c-frames.lua') or return;
$prelude kept = {}
local function visit(word)
  local t = { word }
  kept[#kept + 1] = t
end
local _ = ("a b c"):gsub("%a", visit)
pcall(visit, 1)
kept.s = ("x"):rep(5000)
LUA
    my @rows = at($answer, 'c-frames.lua', 3, 'table');
    is(count(@rows), 4, 'four tables');
    my ($through_gsub) = grep { $_->{alloc_count} == 3 } @rows;
    ok($through_gsub, 'three of them through gsub') or return;
    my @files = map { $_->{file} eq '[C]' ? '[C]' : place($_) } @{$through_gsub->{stack}};
    is($files[0], 'c-frames.lua:3', 'the leaf');
    is($files[1], '[C]', 'called from C');
    is($files[2], 'c-frames.lua:6', 'called from Lua');
    like($through_gsub->{stack}[1]{function}, qr/gsub/, 'by name');
    is($through_gsub->{stack}[1]{line}, 0, 'C has no lines');
    my ($long) = grep { $_->{live_bytes} >= 5000 } at($answer, 'c-frames.lua', 8, 'string');
    ok($long, 'a string that C makes belongs to the line that calls it') or return;
    is($long->{stack}[0]{file}, '[C]', 'with the C function on top');
    like($long->{stack}[0]{function}, qr/rep/, 'by name');
}

sub test_coroutines {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA", 'coroutines.lua') or return;
$prelude kept = {}
local function leaf(i)
  local t = { i }
  kept[#kept + 1] = t
end
local co = coroutine.create(function()
  for i = 1, 20 do
    leaf(i)
  end
  local inner = coroutine.wrap(function()
    leaf(0)
    leaf(0)
  end)
  inner()
end)
local function go()
  coroutine.resume(co)
end
go()
LUA
    my @rows = sort { $b->{alloc_count} <=> $a->{alloc_count} } at($answer, 'coroutines.lua', 3, 'table');
    is_deeply([map { $_->{alloc_count} } @rows], [20, 1, 1], 'tables made in coroutines') or return;
    is_deeply([map { place($_) } lua_frames($rows[0])], [map { "coroutines.lua:$_" } 3, 8, 17, 19], 'the stack goes on into the resumer');
    my @marked = map { $_->{file} eq '[C]' ? $_->{function} : place($_) } grep { $_->{coroutine} } @{$rows[0]{stack}};
    is(scalar @marked, 1, 'one frame resumed');
    like($marked[0] // '', qr/resume|coroutines\.lua:17/, 'the one that did is marked');
    for my $row (@rows[1, 2]) {
        my @places = map { place($_) } lua_frames($row);
        like("@places", qr/^coroutines\.lua:3 coroutines\.lua:1[12] coroutines\.lua:14 coroutines\.lua:17 coroutines\.lua:19$/, 'through two resumes');
        is(scalar(grep { $_->{coroutine} } @{$row->{stack}}), 2, 'both are marked');
    }
}

sub test_tail_calls {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA", 'tails.lua') or return;
$prelude kept = {}
local function make(i)
  local t = { i }
  kept[#kept + 1] = t
  return t
end
local function tail(i)
  return make(i)
end
for i = 1, 25 do
  local t = tail(i)
end
LUA
    my @rows = at($answer, 'tails.lua', 3, 'table');
    is(count(@rows), 25, 'tables made behind a tail call');
    my @places = map { place($_) } lua_frames($rows[0]);
    is($places[0], 'tails.lua:3', 'the leaf');
    is($places[-1], 'tails.lua:11', 'the caller of the function that is gone');
    ok(!grep({ $_ eq 'tails.lua:8' } @places), 'which is gone');
    ok($rows[0]{stack}[0]{tail}, 'the frame carries its mark') if $vm !~ /jit/;
}

sub test_deep {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA", 'deep.lua') or return;
$prelude kept = {}
local function leaf()
  local t = {}
  kept[#kept + 1] = t
end
local function down(n)
  if n == 0 then leaf() return 0 end
  local r = down(n - 1)
  return r + 1
end
for _ = 1, 10 do
  down(50)
end
for _ = 1, 10 do
  down(2000)
end
LUA
    my @rows = sort { @{$a->{stack}} <=> @{$b->{stack}} } at($answer, 'deep.lua', 3, 'table');
    is(scalar @rows, 2, 'two depths') or return;
    is(scalar(lua_frames($rows[0])), 53, 'a shallow stack is whole');
    ok(!$rows[0]{truncated}, 'and not truncated');
    ok($rows[1]{truncated}, 'a deep one is truncated');
    is(scalar @{$rows[1]{stack}}, 192 + 64, 'to 192 and 64 frames');
    my @places = map { place($_) } lua_frames($rows[1]);
    is($places[0], 'deep.lua:3', 'from its leaf');
    is($places[-1], 'deep.lua:15', 'to its root');
    is(count($rows[1]), 10, 'and is one row');
}

# -- Names ---------------------------------------------------------------------------------------------------------

sub test_names {
    my ($vm) = @_;
    my %expected = (
        '@some/file.lua' => 'some/file.lua', '=(a name)' => '(a name)', '@' => '', 'return 1' => '[string "return 1"]',
        "first line\nsecond line" => '[string "first line..."]',
    );
    my @names = sort keys %expected;
    my $list = join ', ', map { '"' . (s/\n/\\n/gr) . '"' } @names;
    my $answer = recorded($vm, <<"LUA", 'names.lua') or return;
$prelude kept = {}
for i, name in ipairs { $list } do
  local f = load("\\n\\nlocal t = {}\\nfor i = 1, 33 do local u = {} t[i] = u end return t", name)
  kept[i] = f()
end
local long = ("x"):rep(100)
kept.long = load("local t = {} for i = 1, 43 do local u = {} t[i] = u end return t", long)()
kept.default = load("local t = {} for i = 1, 54 do local u = {} t[i] = u end return t")()
LUA
    for my $name (@names) {
        my ($row) = rows_of($answer, sub { $_[0]{file} eq $expected{$name} && $_[0]{type} eq 'table' && $_[0]{line} == 4 && $_[0]{alloc_count} == 33 });
        ok($row, 'a chunk named ' . ($name =~ s/\n/\\n/r) . " is $expected{$name}") or next;
        is($row->{function}, 'main chunk', 'and its function the main chunk');
    }
    # What Lua itself says of it.
    my $plain = execute([$vm, '-e', 'local load = loadstring or load print(debug.getinfo(load("", ("x"):rep(100)), "S").short_src) print(debug.getinfo(load("local t = {} for i = 1, 54 do local u = {} t[i] = u end return t"), "S").short_src)']);
    my ($long, $default) = split /\n/, $plain->{out};
    ok(scalar(rows_of($answer, sub { $_[0]{file} eq $long && $_[0]{alloc_count} == 44 })), "a long text is $long")
        or diag(join ', ', map { $_->{file} } rows_of($answer, sub { $_[0]{alloc_count} == 44 }));
    ok(scalar(rows_of($answer, sub { $_[0]{file} eq $default && $_[0]{alloc_count} == 55 })), "text without a name is $default")
        or diag(join ', ', map { $_->{file} } rows_of($answer, sub { $_[0]{alloc_count} == 55 }));
}

# The short names are Lua's own, whatever the length.
sub test_short_names {
    my ($vm) = @_;
    my $program = <<'LUA';
local load = loadstring or load
kept = {}
for n = 35, 70 do
  for kind, name in ipairs { ("x"):rep(n), ("y"):rep(n - 3) .. "\n\n", "\n" .. ("z"):rep(n), ("w"):rep(20) .. "\n" .. ("w"):rep(n - 20) } do
    local f = load("local t = {} t[1] = {} return t", name)
    kept[#kept + 1] = f()
    print(debug.getinfo(f, "S").short_src)
  end
end
LUA
    my $script = spew("$folder/short.lua", $program);
    my ($result, $capture) = record($vm, $script);
    my %ours = map { $_->{file} => 1 } @{show_json($capture)->{sites}};
    my @missing = grep { !$ours{$_} } split /\n/, $result->{out};
    is(scalar @missing, 0, 'all short names are those of this Lua') or diag(join "\n", @missing[0 .. ($#missing < 5 ? $#missing : 5)], 'ours:', sort keys %ours);
}

sub test_stripped {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA", 'stripped.lua') or return;
$prelude kept = {}
local function original()
  for i = 1, 60 do
    local t = {}
    kept[#kept + 1] = t
  end
end
local copy = load(string.dump(original, true), "=stripped")
if debug.setupvalue then for i = 1, 3 do if debug.getupvalue(copy, i) then debug.setupvalue(copy, i, _G) end end end
copy()
LUA
    my @rows = rows_of($answer, sub { $_[0]{type} eq 'table' && $_[0]{alloc_count} == 60 });
    is(scalar @rows, 1, 'a stripped function allocates') or return;
    # 5.1 has no strip; its dump keeps the lines.
    is($rows[0]{line}, $vm =~ /5\.[12]$/ ? 4 : 0, 'without lines') if $vm !~ /jit/;
    is($rows[0]{line}, 0, 'without lines') if $vm =~ /jit/;
    is((lua_frames($rows[0]))[-1]{line}, 10, 'its caller has a line');
}

# -- Code that changes ---------------------------------------------------------------------------------------------

# Prototypes come and go, and new ones take their addresses.
sub test_reloaded {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA", 'reloaded.lua') or return;
$prelude kept = {}
for round = 1, 400 do
  local lines = round % 40
  local f = load(("\\n"):rep(lines) .. "local t = {} return t", "=round" .. round % 5)
  kept[round] = f()
  f = nil
  collectgarbage()
end
LUA
    my (%found, @wrong);
    for my $row (rows_of($answer, sub { $_[0]{file} =~ /^round\d$/ && $_[0]{type} eq 'table' })) {
        $found{"$row->{file}:$row->{line}"} += $row->{alloc_count} if $row->{exact};
    }
    for my $round (1 .. 400) { $found{'round' . $round % 5 . ':' . ($round % 40 + 1)}-- }
    push @wrong, map { "$_ by $found{$_}" } grep { $found{$_} > 0 } sort keys %found;
    is(scalar @wrong, 0, 'each chunk has its own lines') or diag("@wrong");
    is(scalar(grep { $found{$_} != 0 } keys %found), 0, 'all of them') if $vm =~ /5\.[23]/;
}

# -- Types ---------------------------------------------------------------------------------------------------------

sub test_types {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA", 'types.lua') or return;
$prelude kept = {}
for i = 1, 40 do
  local t = {}
  local s = "unique " .. i
  local f = function() return i end
  local c = coroutine.create(print and function() end)
  local u = newproxy and newproxy(false) or io.tmpfile()
  local p = load("return " .. i)
  kept[i] = { t, s, f, c, u, p }
end
for i = 1, 40 do
  local b = { i, i, i }
end
LUA
    my $is = sub {
        my ($line, $type, $least) = @_;
        cmp_ok(count(at($answer, 'types.lua', $line, $type)), '>=', $least, "$type on line $line");
    };
    $is->(3, 'table', 40);
    $is->(4, 'string', 40);
    $is->(5, 'function', 40);
    $is->(6, 'thread', 40);
    $is->(7, 'userdata', 40);
    $is->(8, 'proto', 40);
    $is->(12, 'buffer', 40) if $vm !~ /jit/; # an array of constants lies with its table there
    my $upvalues = 0;
    $upvalues += $_->{alloc_count} for rows_of($answer, sub { $_[0]{name} eq 'types.lua' && $_[0]{type} eq 'upvalue' });
    cmp_ok($upvalues, '>=', 40, 'upvalues');
    # The table of all strings is the VM's own, and grows wherever the program happens to be.
    my $others = 0;
    $others += $_->{live_count} for rows_of($answer, sub { $_[0]{type} eq 'other' && $_[0]{name} eq 'types.lua' });
    cmp_ok($others, '<=', 1, 'no block of unknown type');
    my ($table) = at($answer, 'types.lua', 3, 'table');
    is($table->{alloc_count}, 40, 'exactly 40 tables') if $vm =~ /5\.[23]/;
}

# 5.1 and LuaJIT tell the type of a block late: whatever happens before the next
# one is allocated must not hide it.
sub test_late_types {
    my ($vm) = @_;
    my $last = spew("$folder/last.lua", "$prelude kept = {}\nkept.a = 'x' .. #kept\nlocal t = {}");
    my (undef, $capture) = record($vm, $last);
    my @rows = rows_of(scalar(show_json($capture)), sub { $_[0]{line} == 3 && $_[0]{type} eq 'table' });
    is(count(@rows), 1, 'the last block of a program');
    my $answer = recorded($vm, <<"LUA", 'late.lua') or return;
$prelude kept = {}
local function close(i)
  local f = function() return i end
  local t = { i }
  return i
end
for i = 1, 20 do
  close(i)
end
LUA
    is(count(at($answer, 'late.lua', 4, 'table')), 20, 'tables, before upvalues are closed');
    $answer = recorded($vm, <<"LUA", 'swept.lua') or return;
$prelude kept = {}
for i = 1, 20 do
  local t = {}
  t = nil
  collectgarbage()
end
collectgarbage("count") -- on 5.1 a table right behind the loop could be one of the loop's
LUA
    is(count(at($answer, 'swept.lua', 3, 'table')), 20, 'tables that are the first thing to be freed');
}

sub test_cdata {
    my ($vm) = @_;
    my $answer = recorded($vm, <<"LUA", 'cdata.lua') or return;
$prelude
local ffi = require "ffi"
kept = {}
for i = 1, 40 do
  local a = ffi.new("double[4]")
  local b = ffi.new("char[?]", 100 + i)
  local c = ffi.new("int64_t", i)
  kept[i] = { a, b, c }
end
LUA
    for my $line (5, 6, 7) {
        cmp_ok(count(at($answer, 'cdata.lua', $line, 'cdata')), '>=', 40, "cdata on line $line");
    }
}

# Traces: all that they allocate is counted, and a line is exact or said not to be.
sub test_traces {
    my ($vm) = @_;
    my $answer = recorded($vm, <<'LUA', 'traces.lua') or return;
collectgarbage("stop")
kept = {}
for i = 1, 20000 do
  local t = { i }
  kept[i] = t
end
local function make(i)
  local t = { i, i }
  return t
end
for i = 1, 20000 do
  kept[i] = make(i)
end
LUA
    my $tables = 0;
    my @wrong;
    for my $row (rows_of($answer, sub { $_[0]{name} eq 'traces.lua' && $_[0]{type} eq 'table' })) {
        $tables += $row->{alloc_count};
        push @wrong, "$row->{alloc_count} on line $row->{line}" if $row->{exact} && $row->{alloc_count} > 10 && $row->{line} != 4 && $row->{line} != 8;
    }
    cmp_ok($tables, '>=', 40000, 'every table of a trace is counted');
    cmp_ok($tables, '<', 40100, 'and no more');
    is("@wrong", '', 'no wrong line is called exact');
    my %seen;
    my @twice = grep { $seen{join '|', $_->{type}, map { "$_->{file}:$_->{line}:$_->{function}" } @{$_->{stack}}}++ } @{$answer->{sites}};
    is(scalar @twice, 0, 'each stack and type is one row');
}

# Programs for traces, by name: each line makes what it makes every time.
my %traced = (
    'tables' => <<'LUA',
for i = 1, N do
  local t = { i }
  local u = {}
  kept[i % 100] = t
  t[1] = u
end
local rows = {}
for i = 1, N / 100 do
  local row = {}
  for j = 1, 100 do
    row[j] = { j, j }
  end
  rows[i] = row
end
LUA
    'helpers' => <<'LUA',
local function make(i)
  local t = { i, i }
  return t
end
local function wrap(i)
  local t = make(i)
  return t
end
for i = 1, N do
  kept[i % 100] = wrap(i)
  kept[i % 50] = make(i)
end
LUA
    'strings' => <<'LUA',
for i = 1, N do
  local a = "x" .. i
  local b = "y" .. i .. "z"
  local c = string.format("%d-%d", i, i)
  kept[1], kept[2] = a, b
  kept[3] = ("k"):rep(i % 50) .. c
  kept[4] =
    c .. a
  kept[5] = b .. i
end
LUA
    'branches' => <<'LUA',
for i = 1, N do
  if i % 3 == 0 then
    kept[i % 100] = { a = i }
  elseif i % 3 == 1 then
    kept[i % 100] = { 1 }
  else
    table.insert(kept,
      { 1, 2 })
  end
end
LUA
    'objects' => <<'LUA',
local A = {}
A.__index = A
function A.new(i)
  local self = setmetatable({}, A)
  self.items = {}
  self.name = "n" .. i
  return self
end
function A:add(x)
  self.items[#self.items + 1] = { x }
end
for i = 1, N do
  local o = A.new(i)
  o:add(i)
  o:add("s" .. i)
  kept[i % 100] = o
end
LUA
    'handlers' => <<'LUA',
local seen = {}
local handlers = {
  function(i) seen[i % 8] = i end,
  function(i)
    local entry = { at = i }
    kept[i % 100] = entry
  end,
}
for i = 1, N do
  for _, handler in ipairs(handlers) do
    handler(i)
  end
end
LUA
);

# {line => bytes} of objects, by the innermost Lua frame; those of exact rows in another.
sub objects_by_line {
    my ($answer, $name) = @_;
    my (%all, %exact);
    for my $row (rows_of($answer, sub { $_[0]{type} =~ /^(table|string|cdata)$/ })) {
        my ($frame) = lua_frames($row) or next;
        my $place = place($frame);
        next if $place !~ /^\Q$name\E:/;
        $all{$place} += $row->{alloc_bytes};
        $exact{$place} += $row->{alloc_bytes} if $row->{exact};
    }
    return (\%all, \%exact);
}

# What a trace allocates is on its line: as without traces, but for a few bytes.
sub test_lines_of_traces {
    my ($vm) = @_;
    for my $case (sort keys %traced) {
        my $program = "kept = {} local N = 20000\n$traced{$case}";
        my $name = "traced-$case.lua";
        my ($truth) = objects_by_line(recorded($vm, "jit.off() $program", $name), $name);
        my ($found, $exact) = objects_by_line(recorded($vm, $program, $name), $name);
        my ($all, $right, $of_exact) = (0, 0, 0);
        for my $place (keys %$found) {
            my $least = $found->{$place} < ($truth->{$place} // 0) ? $found->{$place} : $truth->{$place} // 0;
            $all += $found->{$place};
            $right += $least;
            $of_exact += $exact->{$place} // 0;
        }
        my $shown = join "\n", map { sprintf '%s: %d, %d', $_, $found->{$_}, $truth->{$_} // 0 } sort keys %$found;
        cmp_ok($right, '>=', 0.97 * $all, "$case: nearly all is on the right line") or diag($shown);
        cmp_ok($of_exact, '>=', 0.95 * $all, "$case: and nearly all of it is exact");
        my @wrong = grep { $exact->{$_} > 1.01 * ($truth->{$_} // 0) + 1000 } sort keys %$exact;
        is("@wrong", '', "$case: no wrong line is called exact");
    }
}

# The stack of inlined calls, on top of the frames that are there.
sub test_stacks_of_traces {
    my ($vm) = @_;
    my $answer = recorded($vm, <<'LUA', 'inlined.lua') or return;
kept = {}
local function make(i)
  local t = { i, i }
  return t
end
local function wrap(i)
  local t = make(i)
  return t
end
local function all()
  for i = 1, 20000 do
    kept[i % 100] = wrap(i)
  end
end
all()
LUA
    my ($row) = sort { $b->{alloc_count} <=> $a->{alloc_count} } at($answer, 'inlined.lua', 3, 'table');
    cmp_ok(count($row), '>=', 19000, 'tables of a trace');
    ok($row->{exact}, 'are exact');
    is_deeply([map { place($_) } lua_frames($row)], [map { "inlined.lua:$_" } 3, 7, 12, 15], 'the inlined calls and those below');
}

for my $vm (vms()) {
    subtest "$vm: random programs" => sub { test_random($vm) };
    subtest "$vm: tables of variable arguments" => sub { test_vararg_tables($vm) };
    subtest "$vm: callers" => sub { test_callers($vm) };
    subtest "$vm: C functions" => sub { test_c_frames($vm) };
    subtest "$vm: coroutines" => sub { test_coroutines($vm) };
    subtest "$vm: tail calls" => sub { test_tail_calls($vm) };
    subtest "$vm: deep stacks" => sub { test_deep($vm) };
    subtest "$vm: names of chunks" => sub { test_names($vm) };
    subtest "$vm: short names" => sub { test_short_names($vm) };
    subtest "$vm: stripped code" => sub { test_stripped($vm) };
    subtest "$vm: code that is loaded again" => sub { test_reloaded($vm) };
    subtest "$vm: types" => sub { test_types($vm) };
    subtest "$vm: types that are known late" => sub { test_late_types($vm) };
    subtest "$vm: cdata" => sub { test_cdata($vm) } if $vm =~ /jit/;
    subtest "$vm: traces" => sub { test_traces($vm) } if $vm =~ /jit/;
    subtest "$vm: lines of traces" => sub { test_lines_of_traces($vm) } if $vm =~ /jit/;
    subtest "$vm: stacks of traces" => sub { test_stacks_of_traces($vm) } if $vm =~ /jit/;
}

done_testing();
