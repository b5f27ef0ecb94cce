#!/usr/bin/perl
# Captures that are cut, changed, newer, or none at all: always a clear error or
# an honest answer, never a crash.
use strict;
use warnings;
use Test::More;
use SeepTest qw(root seepline_path vms execute seepline record show_json scratch slurp spew);

my $folder = scratch();
my $build = $ENV{BUILD} // root() . '/build';
my $damage = "$build/test/damage";
my ($vm) = grep { !/jit/ } vms();
$vm //= (vms())[0];

my $program = spew("$folder/small.lua", <<'LUA');
kept = {}
for i = 1, 100 do kept[i] = { i, "x" .. i } end
local function deep(n) if n > 0 then return { deep(n - 1) } end end
kept.deep = deep(20)
kept.co = coroutine.wrap(function() local t = {} coroutine.yield(t) end)
kept.co()
for _ = 1, 3 do collectgarbage() kept[#kept + 1] = { "again" } end
for i = 1, 10 do kept[i] = nil end
collectgarbage()
if arg[1] then os.execute("kill -9 $PPID") end
LUA

my (undef, $sealed) = record($vm, $program);
my (undef, $open) = record($vm, $program, 'kill');
my $copy = "$folder/copy.seep";

# `show` of a file with this content must fail with a line that says why.
sub is_refused {
    my ($name, $content, $like) = @_;
    spew($copy, $content);
    for my $options ([], ['--json'], ['--by', 'line']) {
        my $result = seepline('show', $copy, @$options);
        is($result->{status}, 1, "$name: status 1");
        is($result->{signal}, 0, 'no signal');
        is($result->{out}, '', 'nothing on stdout');
        like($result->{err}, $like, 'it says what is wrong');
        is(($result->{err} =~ tr/\n//), 1, 'in one line');
    }
}

sub driver {
    my ($mode, $capture, @numbers) = @_;
    spew($copy, slurp($capture));
    my $result = execute([$damage, $mode, $copy, @numbers]);
    is($result->{status}, 0, "$mode @numbers: " . ($result->{out} =~ /^(\d+ changes.*)$/m ? $1 : 'did not end')) or diag($result->{out});
    is(slurp($copy), slurp($capture), 'and the file is as it was') if $result->{status} == 0;
    return $result;
}

plan skip_all => "there is no $damage: make test builds it" if !-x $damage;

subtest 'the two captures are sound' => sub {
    my $answer = show_json($sealed);
    ok($answer->{complete}, 'the sealed one is complete');
    $answer = show_json($open);
    ok($answer, 'the other one can be read');
    ok(!$answer->{complete}, 'and is not complete');
    is($answer->{totals}{live_bytes}, $answer->{totals}{vm_bytes}, 'but true to the byte');
};

subtest 'every change of a sealed capture is refused' => sub {
    driver('sealed', $sealed, 1, 2000);
};

subtest 'every cut is refused' => sub {
    driver('short', $sealed);
    driver('short', $open);
};

subtest 'a changed capture without a seal is refused or read' => sub {
    driver('open', $open, 2, 1500);
};

subtest 'through the command' => sub {
    my $content = slurp($sealed);
    for my $offset (0, 8, 12, 17, 26, 33, 60, 92, 300, 2500, 4095, 4096, 4100, 5000, length($content) - 1) {
        my $changed = $content;
        substr($changed, $offset, 1) ^= "\x41";
        is_refused("offset $offset changed", $changed, qr/offset|damaged|newer|not a seepline capture/);
    }
    for my $length (1, 8, 100, 4095, 4096, 8191, length($content) - 1) {
        is_refused("cut at $length", substr($content, 0, $length), qr/too few|truncated/);
    }
};

subtest 'what is no capture' => sub {
    is_refused('an empty file', '', qr/not a seepline capture/);
    is_refused('a text file', "hello world\n" x 10, qr/not a seepline capture/);
    is_refused('a long text file', "hello world\n" x 10000, qr/not a seepline capture/);
    is_refused('zeros', "\0" x 100000, qr/not a seepline capture/);
    is_refused('a program', slurp(seepline_path()), qr/not a seepline capture/);
    is_refused('a signature alone', substr(slurp($sealed), 0, 8) . "\0" x 10000, qr/damaged|offset/);
    my $newer = slurp($sealed);
    substr($newer, 8, 4) = pack 'V', 3;
    is_refused('a newer format', $newer, qr/newer/);
    substr($newer, 8, 4) = pack 'V', 0xffffffff;
    is_refused('a much newer format', $newer, qr/newer/);
    my $foreign = slurp($sealed);
    substr($foreign, 12, 4) = reverse substr($foreign, 12, 4);
    is_refused('another byte order', $foreign, qr/byte order|damaged/);
    for my $what ($folder, '/dev/null', '/dev/zero', "$folder/none.seep", '/') {
        my $result = seepline('show', $what);
        is($result->{status}, 1, "$what: status 1");
        is($result->{signal}, 0, 'no signal');
        isnt($result->{err}, '', 'a message');
    }
    system('mkfifo', "$folder/fifo") == 0 or return;
    my $result = seepline('show', "$folder/fifo", { timeout => 20 });
    is($result->{status}, 1, 'a fifo is refused and not waited for');
    is($result->{signal}, 0, 'no signal');
};

# The seal taken away: what is left must be read as a capture of a killed program.
subtest 'a capture whose seal is gone' => sub {
    my $content = slurp($sealed);
    substr($content, 16, 8) = "\0" x 8;
    substr($content, 24, 4) = "\0" x 4;
    is_refused('the seal alone', $content, qr/damaged|offset/);
    substr($content, 64, 8) = "\0" x 8;
    spew($copy, $content);
    my $answer = show_json($copy);
    ok($answer, 'seal, checksum and end gone: it is read');
    ok(!$answer->{complete}, 'as not complete') if $answer;
};

# Bytes behind the end that the header knows.
subtest 'a capture with something behind it' => sub {
    spew($copy, slurp($sealed) . "more");
    my $result = seepline('show', $copy);
    is($result->{signal}, 0, 'no signal');
    like($result->{status}, qr/^[01]$/, 'read or refused');
};

done_testing();
