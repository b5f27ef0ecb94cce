package HookTest;

# What the tests of the hook modes share.

use strict;
use warnings;
use Exporter qw(import);
use SeepTest qw(root seepline_path execute record scratch);

our @EXPORT_OK = qw(modes record_mode record_publicly sum);

sub modes { return qw(line call count) }

# SeepTest::record in a hook mode.
sub record_mode {
    my ($mode, $vm, $script, @arguments) = @_;
    my %options = @arguments && ref $arguments[-1] eq 'HASH' ? %{pop @arguments} : ();
    return record($vm, $script, @arguments, { %options, run_options => ['--no-summary', '--mode', $mode] });
}

# The same as if no description fitted this build: the library is told so by a word
# of its request (src/reach/contract.h) that `run` never says.
my %number_of = (line => 3, call => 4, count => 5);
my $captures = 0;
sub record_publicly {
    my ($mode, @words) = @_;
    my $capture = scratch() . '/public' . $captures++ . '.seep';
    my ($library) = grep { -e } map { "$_/libseepline-preload.so" } seepline_path() =~ s{/[^/]*$}{}r;
    my %request = (SEEPLINE_RUN => "0123456789abcdef:-:$capture", SEEPLINE_MODE => "$number_of{$mode}:1000:public");
    return (execute(\@words, env => { LD_PRELOAD => $library, %request }), $capture);
}

sub sum {
    my ($key, @rows) = @_;
    my $sum = 0;
    $sum += $_->{$key} // 0 for @rows;
    return $sum;
}

1;
