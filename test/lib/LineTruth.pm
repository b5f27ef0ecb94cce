package LineTruth;

# The truth about lines: what a hook that knows nothing of Seepline saw (test/lines/truth.c).

use strict;
use warnings;
use Exporter qw(import);
use SeepTest qw(execute root scratch slurp);

our @EXPORT_OK = qw(truth_library truth_start truth_of);

my $library;

# The hook as a library, built once; undef when that fails.
sub truth_library {
    return $library if $library;
    my $path = scratch() . '/truth.so';
    my $source = root() . '/test/lines/truth.c';
    my $compiled = execute(['gcc', '-O1', '-g', '-shared', '-fPIC', '-o', $path, $source, '-ldl']);
    return $compiled->{status} == 0 ? $library = $path : undef;
}

# What a program must run first, whether it is watched or not.
sub truth_start { return 'package.loadlib(os.getenv("SEEP_TRUTH_LIBRARY"), "truth")()' }

# {place => bytes} of a run with the hook; nothing when it fails.
sub truth_of {
    my ($vm, $script, @options) = @_;
    my $out = scratch() . '/truth.txt';
    unlink $out;
    my %environment = (SEEP_TRUTH_LIBRARY => truth_library(), SEEP_TRUTH_OUT => $out);
    my $result = execute([$vm, @options, '-e', truth_start(), $script], env => \%environment);
    return Test::More::diag("$vm $script: $result->{status}, $result->{err}") && undef if $result->{status} || !-e $out;
    return {map { /^(-?\d+) (\d+) (.*)$/ ? ("$3:$2" => $1) : () } split /\n/, slurp($out)};
}

1;
