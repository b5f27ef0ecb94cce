package RandomProgram;

# Random Lua programs that allocate on many lines, for comparisons of who allocated
# what. A seed gives the same program every time. Programs end: loops are short,
# functions call only those that were written before them, and a budget stops
# what would still take long. They run on every version, raise no error that is
# not caught, and print nothing.
#
# A line on which a thread's stack or call frames may change ends in --stack: error
# handling, a first resume, and `grow`, a function of the reader's that makes room.

use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(random_program);

my %program;   # the one that is being written: {lines, line, functions, scopes, depth, names, varargs}

sub chance { my ($percent) = @_; return rand(100) < $percent }
sub pick { return $_[int rand @_] }

# -- Text ----------------------------------------------------------------------

sub emit { my ($text) = @_; $program{line} .= $text; return }
sub end_line { push @{$program{lines}}, $program{line}; $program{line} = ''; return }
sub statement { my ($text) = @_; emit($text); end_line() if chance(85); emit(' ') if length $program{line}; return }
sub whole_line { my ($text) = @_; end_line() if length $program{line}; emit($text); end_line(); return }

# A place where a line may end. (Never before a parenthesis: that is ambiguous.)
sub gap { my ($percent) = @_; return chance($percent // 12) ? "\n" : ' ' }

# -- Names ---------------------------------------------------------------------

sub fresh { my ($kind) = @_; return $kind . $program{names}++ }
sub known { my ($kind) = @_; return grep { /^\Q$kind\E\d/ } map { @$_ } @{$program{scopes}} }
sub declare { my ($name) = @_; push @{$program{scopes}[-1]}, $name; return $name }
sub scoped { my ($body) = @_; push @{$program{scopes}}, []; $body->(); pop @{$program{scopes}}; return }

# -- Expressions ---------------------------------------------------------------

sub deeper {
    my ($body, $otherwise) = @_;
    return $otherwise->() if $program{depth} > 4;
    local $program{depth} = $program{depth} + 1;
    return $body->();
}

sub number { my @names = known('n'); return chance(60) && @names ? pick(@names) : 1 + int rand 9 }

sub string {
    my @kinds = (
        sub { '"k' . int(rand 20) . '"' },
        sub { '"a" .. ' . number() . ' .. "u' . $program{names}++ . '"' },
        sub { '("x"):rep(' . (1 + int rand 60) . ')' },
        sub { 'tostring(' . number() . ' + 0.5)' },
        sub { '("%d %s"):format(' . number() . ', "v' . $program{names}++ . '")' },
        sub { 'table.concat({ ' . number() . ', "c' . $program{names}++ . '" },' . gap() . '"-")' },
    );
    return pick(@kinds)->();
}

# What may stand last in a list and give several values.
sub open_end {
    return '...' if $program{varargs} && chance(50);
    return 'three(' . number() . ')' if chance(50);
    return call();
}

sub item {
    return pick(qw(x y z w)) . ' = ' . value() if chance(25);
    return '[' . string() . '] =' . gap() . value() if !$program{tame} && chance(10);
    return '[' . table_() . '] = ' . value() if !$program{tame} && chance(5);
    return open_end() if chance(10);
    return value();
}

sub constructor {
    my $count = pick(0, 0, 1, 1, 2, 3, 5);
    my @items = map { item() } 1 .. $count;
    push @items, open_end() if chance(25);
    push @items, map { int rand 100 } 1 .. 45 + int rand 20 if chance(2);
    my $text = '{' . gap();
    $text .= "$_," . gap(20) for @items;
    $text =~ s/,(\s)\z/$1/ if chance(70);
    return $text . '}';
}

sub condition {
    return pick('true', 'false', 'nil', number() . ' > ' . number(), number() . ' % 2 == 0', 'not ' . pick(known('t'), 'nil'),
        known('t') ? pick(known('t')) . ' == ' . pick(known('t')) : 'true');
}

sub choice {
    my $first = condition() . ' and' . gap() . table_();
    return "($first or" . gap() . table_() . ')' if chance(60);
    return '(' . condition() . ' and ' . table_() . ' or' . gap() . condition() . ' and' . gap() . table_() . ' or {})';
}

# A call that gives a table first.
sub call {
    my @names = known('f');
    my @words = map { value() } 1 .. pick(0, 1, 1, 2, 3);
    push @words, open_end() if chance(15) && $program{depth} < 4;
    my $words = join ',' . gap(8), @words;
    return "make($words)" unless @names && !$program{leaf};
    my $name = pick(@names);
    return pick("$name($words)", "$name($words)", "object:method($words)", 'select(2, 0, ' . "$name($words))", "callable($words)");
}

sub table_ {
    my @kinds = (
        \&constructor, \&constructor, \&constructor, \&choice, \&call,
        sub { my @names = known('t'); return @names ? pick(@names) : '{}' },
        sub { 'setmetatable(' . constructor() . ',' . gap() . 'meta)' },
        sub { 'object.field' . int rand 5 },
        sub { '(object + ' . number() . ')' },
        sub { '(object ..' . gap() . string() . ')' },
    );
    return deeper(sub { pick(@kinds)->() }, sub { pick('{}', '{ 1 }', '{ x = 1 }') });
}

sub closure {
    return deeper(sub {
        my @names = (known('t'), known('n'), known('f'));
        my $result = @names ? join ', ', map { pick(@names) } 1 .. pick(1, 2, 3) : '1';
        return 'function() return ' . $result . ' end' if chance(50);
        return 'function(...)' . gap(60) . 'return ' . $result . ',' . gap(40) . '{ ... }' . gap(60) . 'end';
    }, sub { 'make' });
}

sub value {
    my $what = rand 100;
    return number() if $what < 25;
    return string() if $what < 40;
    return closure() if $what < 50;
    return table_();
}

# -- Statements ----------------------------------------------------------------

sub block { my ($count) = @_; local $program{depth} = $program{depth} + 1; scoped(sub { some_statements($count) }); return }

sub locals { my @values = map { [fresh('t'), table_()] } 1 .. pick(1, 1, 1, 2);
    statement('local ' . join(', ', map { $_->[0] } @values) . ' = ' . join ',' . gap(), map { $_->[1] } @values);
    declare($_->[0]) for @values;
    return;
}

sub assignment {
    my @names = known('t');
    return locals() unless @names;
    my $name = pick(@names);
    return statement("$name = " . table_()) if chance(40);
    return statement("rawset($name, " . pick('"a"', '#' . $name . ' + 1', $program{tame} ? '"a"' : string()) . ',' . gap() . value() . ')') if chance(50);
    return statement("local _ = $name,\n" . table_());
}

sub conditional {
    statement('if ' . condition() . ' then');
    block(2);
    if (chance(30)) { statement('elseif ' . condition() . ' then'); block(2) }
    if (chance(60)) { statement('else'); block(2) }
    statement('end');
    return;
}

sub loop {
    my $name = fresh('n');
    my $head = pick(
        "for $name = 1, " . (1 + int rand 4) . ' do', "for $name = 3, 1, -1 do",
        "for $name, _ in ipairs(" . constructor() . ') do', "for $name = 1, 2 do while true do", 'for _ in pairs(' . constructor() . ') do',
    );
    statement($head);
    push @{$program{scopes}}, $head =~ /\bfor n/ ? [$name] : [];
    block(2);
    pop @{$program{scopes}};
    statement('if ' . condition() . ' then break end break end') if $head =~ /while/;
    statement('end');
    return;
}

sub until_loop {
    my $name = fresh('n');
    statement("local $name = 0");
    statement('repeat');
    scoped(sub { block(2); statement("$name = $name + 1") });
    statement("until $name > 2");
    return;
}

sub function_body {
    my ($head, $varargs) = @_;
    local $program{varargs} = $varargs;
    local $program{depth} = $program{depth} + 1;
    statement($head);
    scoped(sub {
        declare($_) for $head =~ /\b(n\d+)\b/g;
        statement('budget = budget - 1 if budget < 0 then return {} end');
        some_statements(2 + int rand 4);
        my $last = pick(table_(), call(), call(), table_() . ',' . gap() . value());
        statement("do return $last end");
    });
    statement('end');
    return;
}

sub function_ {
    my ($f, $n) = (fresh('f'), fresh('n'));
    my $varargs = chance(50);
    my $parameters = join ', ', "_$n", ($varargs ? '...' : ());
    function_body("local function $f($parameters) local $n = 1", $varargs);
    declare($f);
    return;
}

# It may be called from anywhere, so it calls none of the program's functions.
sub method {
    local $program{leaf} = 1;
    local $program{depth} = 3;
    function_body('function object:method(a, ...)', 1);
    return;
}

sub protected_call {
    my @names = (known('f'), 'make');
    statement('local _, ' . declare(fresh('t')) . ' = pcall(' . pick(@names) . ', ' . value() . ')');
    return;
}

sub failing_call {
    my $f = fresh('e');
    local $program{varargs} = 0;
    whole_line("local function $f(a)");
    whole_line('local t = ' . table_() =~ s/\n/ /gr);
    whole_line('if a then error({ t }) end --stack');
    whole_line('return t end');
    whole_line("local _ = pcall($f, true) --stack");
    whole_line('grow(60) --stack');
    return;
}

sub coroutine_ {
    my $f = fresh('c');
    whole_line("local $f = coroutine." . pick('wrap', 'create') . '(function(...)');
    {
        local $program{varargs} = 1;
        whole_line('grow(40) --stack');
        block(2);
        whole_line('coroutine.yield(' . table_() . ')');
        block(2);
        whole_line('do return ' . table_() . ' end');
        whole_line('end)');
    }
    whole_line("resume($f, 1) --stack");
    statement("local _ = { resume($f," . gap() . value() . ') }');
    return;
}

sub some_statements {
    my ($count) = @_;
    for (1 .. $count) {
        my $deep = $program{depth} > 3;
        pick(
            \&locals, \&locals, \&locals, \&assignment, \&assignment, \&assignment,
            sub { statement('kept[#kept + 1] = ' . value()) }, sub { statement('make(' . value() . ',' . gap() . value() . ')') },
            sub { statement('local ' . fresh('s') . ' = ' . string()) },
            sub { my $f = fresh('g'); statement("local $f = " . closure()); statement("$f()") },
            $deep ? () : (\&conditional, \&conditional, \&loop, \&loop, \&until_loop, \&protected_call),
            $program{depth} > 2 ? () : (\&coroutine_, \&failing_call, \&function_, \&function_),
        )->();
    }
    return;
}

# -- Programs ------------------------------------------------------------------

my $HEAD = <<'LUA';
kept, budget = {}, 400
local function three(n) return n, n + 1, n end
local function make(...) return { ... } end
local function resume(co, ...)
  if type(co) == "function" then return co(...) end --stack
  return coroutine.resume(co, ...) --stack
end
local meta = { __index = function(t, k) return { k } end, __call = function(self, ...) return { ... },
  ... end,
  __add = function(a, b) return { a, b } end, __concat = function(a, b)
    return { b } end }
local object, callable = setmetatable({}, meta), setmetatable({}, meta)
function object:method(...)
  return make(self, ...)
end
LUA

# `tame`: for LuaJIT, which takes the places of constant keys that have no value yet
# for others, so that how large such a table gets depends on its random hashes.
sub random_program {
    my ($seed, $tame) = @_;
    srand $seed;
    %program = (tame => $tame, lines => [split /\n/, $HEAD], line => '', names => 1, depth => 0, varargs => 1, scopes => [[]]);
    function_() for 1 .. 3 + int rand 4;
    method() if chance(50);
    some_statements(12 + int rand 12);
    end_line();
    push @{$program{lines}}, 'for i = 1, 3 do budget = 100', 'local t = { ' . table_() . ' }', 'end';
    return join("\n", @{$program{lines}}) . "\n";
}

1;
