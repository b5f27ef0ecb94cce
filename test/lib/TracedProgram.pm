package TracedProgram;

# Random programs for LuaJIT's compiler: hot loops over functions, methods, metamethods, callbacks, lists of
# handlers, branches, recursion, coroutines, functions that are not compiled, tables that rarely
# escape, jit.flush. A seed gives the same program every time.
#
# Compiled code may make more things than the interpreter (a trace that is left in the
# middle of an instruction does it again) or fewer (what does not escape), so counts
# cannot be compared. But here every line makes tables and strings of one size, and
# lines have different sizes as far as there are enough: what is charged to another
# line shows in that line's average.

use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(traced_program);

my (@lines, %names, $locals, $serial);
our $depth;

sub chance { my ($percent) = @_; return rand(100) < $percent }
sub pick { return $_[int rand @_] }
sub line { push @lines, join '', @_; return }
sub of { my ($kind) = @_; return @{$names{$kind} // []} }

# -- What a line makes ----------------------------------------------------------

# A table with up to 14 values in it: they lie with it in one block.
sub constructor {
    my $count = 1 + int rand 13;
    return '{ ' . join(', ', map { pick('i', 'i', 'n') } 1 .. $count) . ' }' if chance(50);
    return '{ ' . join(', ', map { int rand 100 } 1 .. $count) . ' }' if chance(70);
    return '{ i, ' . join(', ', map { int rand 100 } 2 .. $count) . ' }';
}

# A string that was not there before: `n` has seven digits and rises.
sub string {
    my $pad = chr(97 + rand 26) x (1 + int rand 60);
    return pick(qq("$pad" .. n), qq("$pad" .. n), qq(n .. "$pad"), qq(("$pad%d"):format(n)), qq(("$pad" .. n):upper()),
        qq(("$pad" .. n):reverse()));
}

sub assign {
    my ($value) = @_;
    return line(pick("last = $value", "object.field = $value", "slots[i % 8 + 1] = $value", "local v" . $locals++ . " = $value last = v" . ($locals - 1)));
}

sub make_table { return assign(constructor()) }

sub make_string {
    line('n = n + 1');
    return assign(string());
}

sub choose {
    line('last = ', pick('i % 3 == 0', 'i % 2 == 0', 'n % 5 == 1', 'object.none', 'object.field'), ' and ', constructor());
    line('  or ', constructor()) if chance(50);
    return;
}

# -- What runs others -------------------------------------------------------------

sub branch {
    line('if ', pick('i % 2 == 0', 'i % 3 == 1', 'i % 7 < 3', 'last ~= object', 'object.field'), ' then');
    block(1 + int rand 2);
    if (chance(30)) { line('elseif i % 5 == 2 then'); block(1) }
    if (chance(60)) { line('else'); block(1 + int rand 2) }
    line('end');
    return;
}

sub loop {
    my $j = 'j' . $serial++;
    line(pick("for $j = 1, 3 do", "for $j = 1, i % 4 do", "for $j, _ in ipairs(three) do", "for _, $j in pairs(three) do",
        "local $j = 0 while $j < 3 do $j = $j + 1"));
    block(1 + int rand 2);
    line('end');
    return;
}

sub call {
    my @calls = (
        (map { "$_(i)" } of('local')), (map { "$_(i)" } of('global')), (map { "object:$_(i)" } of('method')),
        (map { "module.$_(i)" } of('field')), (map { "apply($_, i)" } of('local')), (map { "local _, w = pcall($_, i) last = w" } of('local')),
        of('handler') && $names{main} ? 'handlers[i % #handlers + 1](i)' : (),
        $names{meta} ? ('last = object + i', 'last = object * i', 'last = object .. i', 'last = -object', 'last = object.missing', 'object.other = i',
            'last = object(i)', 'last = tostring(object)', 'last = object < rival', 'last = object >= rival', 'last = object == rival') : (),
        'last = resume(i)',
    );
    return make_table() unless @calls;
    my $call = pick(@calls);
    return line($call =~ /^\w+ ?=|^local|=/ || chance(50) ? $call : "last = $call");
}

# What is only kept now and then: most of the time it is not made at all.
sub sunk {
    my $name = 'p' . $serial++;
    line("local $name = ", constructor());
    return line('if i % ', pick(9, 31, 50), " == 0 then kept[#kept + 1] = $name end");
}

# Each handler of the list is called.
sub each_handler { return line('for _, h in ipairs(handlers) do h(i) end') }

# Not compiled: the trace ends there, and another goes on.
sub stitched { return line(pick('last = os.date("!%H", i)', 'last = next(slots)', 'last = ("x"):gsub("y", "z")', 'last = rawlen and 1 or #slots')) }

sub library {
    return line('table.insert(list, ', constructor(), ')') if chance(40);
    return line('last = setmetatable(', constructor(), ', plain)') if chance(40);
    return line('last = select(2, i, ', constructor(), ')') if chance(50);
    return line('rawset(object, "raw", ', constructor(), ')');
}

sub block {
    my ($count) = @_;
    return make_table() if $depth > 3;
    local $depth = $depth + 1;
    for (1 .. $count) {
        pick(\&make_table, \&make_table, \&make_table, \&make_string, \&make_string, \&choose, \&call, \&call, \&call, \&library,
            \&branch, $depth < 3 ? \&loop : \&make_table, chance(50) ? \&sunk : \&make_table,
            $names{main} && chance(40) ? \&each_handler : \&call, chance(30) ? \&stitched : \&make_table)->();
    }
    return;
}

# -- Functions ---------------------------------------------------------------------

sub body {
    local $depth = 1;
    block(1 + int rand 3);
    return line('do return ' . pick('last', constructor(), 'i') . ' end end') if chance(60);
    line('end');
    return;
}

sub function_ {
    my ($kind, $head) = @_;
    my $name = substr($kind, 0, 1) . $serial++;
    line(sprintf $head, $name);
    body();
    push @{$names{$kind}}, $name;
    return;
}

# Calls itself, so it makes what it makes here.
sub recursive {
    my $name = 'r' . $serial++;
    line("local function $name(i, d)");
    line('if d == 0 then return ' . constructor() . ' end') if chance(50);
    line('if d == nil then d = 4 end if d <= 0 then return i end');
    make_table();
    line(chance(30) ? "do return $name(i, d - 1) end" : "local a = $name(i, d - 1)");
    if ($lines[-1] =~ /^local/) { make_table(); line("last = { a, $name(i, d - 2) }") if chance(50) }
    line('end');
    push @{$names{local}}, $name;
    return;
}

sub metamethods {
    for my $event ('__add = function(a, i)', '__mul = function(a, i)', '__tostring = function(i) i = 1', '__lt = function(a, i) i = 1',
        '__le = function(a, i) i = 1', '__eq = function(a, i) i = 1', '__concat = function(a, i)', '__unm = function(i) i = 1', '__call = function(a, i)',
        '__index = function(a, i) if i ~= "missing" then return nil end i = 1', '__newindex = function(a, k, i)') {
        line("meta.$event");
        local $depth = 3;
        make_table();
        make_string() if $event !~ /unm/ && chance(30);
        line($event =~ /tostring/ ? 'return "object" end' : 'return last end');
    }
    $names{meta} = 1;
    return;
}

sub functions {
    for (1 .. 4 + int rand 6) {
        pick(sub { function_('local', 'local function %s(i)') }, sub { function_('local', 'local function %s(i)') },
            sub { function_('global', 'function %s(i)') }, sub { function_('method', 'function object:%s(i)') },
            sub { function_('field', 'function module.%s(i)') }, sub { function_('handler', 'handlers[#handlers + 1] = function(i) --%s') },
            \&recursive)->();
    }
    return;
}

my $HEAD = <<'LUA';
n, last, list, slots = 1000000, 0, {}, { 0, 0, 0, 0, 0, 0, 0, 0 }
module, handlers = {}, {}
local three, plain, meta = { 1, 2, 3 }, {}, {}
local object = { field = 0, raw = 0, none = nil }
local rival, kept = { field = 1 }, {}
local resume = coroutine.wrap(function(i) while true do i = coroutine.yield({ i, i }) end end)
local function apply(f, i) return f(i) end
LUA

sub traced_program {
    my ($seed, $rounds) = @_;
    srand $seed;
    @lines = split /\n/, $HEAD;
    %names = ();
    ($locals, $serial) = (0, 0);
    local $depth = 0;
    functions();
    metamethods() if chance(40);
    functions() if chance(50);
    line('setmetatable(object, meta) setmetatable(rival, meta)') if $names{meta};
    $names{main} = 1;
    for (1 .. 1 + int rand 3) {
        line("for i = 1, $rounds do");
        line('if i == ', int($rounds / 2), ' then jit.flush() end') if chance(20);
        block(2 + int rand 4);
        line('end');
    }
    return join("\n", @lines) . "\n";
}

1;
