package HookTest;

# What the tests of the hook modes share.

use strict;
use warnings;
use Exporter qw(import);
use SeepTest qw(record record_fallback);

our @EXPORT_OK = qw(modes record_mode record_publicly sum);

sub modes { return qw(line call count) }

# SeepTest::record in a hook mode.
sub record_mode {
    my ($mode, $vm, $script, @arguments) = @_;
    my %options = @arguments && ref $arguments[-1] eq 'HASH' ? %{pop @arguments} : ();
    return record($vm, $script, @arguments, { %options, run_options => ['--no-summary', '--mode', $mode] });
}

# The same as if no description fitted this build.
sub record_publicly {
    my ($mode, @words) = @_;
    return record_fallback('public', $mode, \@words);
}

sub sum {
    my ($key, @rows) = @_;
    my $sum = 0;
    $sum += $_->{$key} // 0 for @rows;
    return $sum;
}

1;
