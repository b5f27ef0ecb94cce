#!/usr/bin/env perl
# Snapshots of programs from Debian that have a Lua inside and know nothing of us: prosody (lua5.4), HAProxy (5.3, several
# states), Neovim and nginx (LuaJIT), Redis (a 5.1 of its own, inside its binary). Each is started here, gets a table
# planted by its own means, and is snapshotted; the planted table is followed from a root.
#
# nginx's Lua module comes with OpenResty's LuaJIT, which Debian does not install beside the other one. So its packages are
# downloaded and unpacked in the build's folder (dev/unpack-packages), and nginx is told where they are.

use strict;
use warnings;
use IO::Socket::UNIX;
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(sleep);
use SeepTest qw(root execute scratch seepline spew slurp have_command);
use RealProgram qw(start_program finish_program);

my $folder = scratch();
my $TEN_SECONDS = 10;

# Waits until `is_ready` says so; false when it does not in time, or when the program has ended.
sub wait_until {
    my ($pid, $is_ready) = @_;
    my $give_up = time + $TEN_SECONDS;
    while (time < $give_up) {
        return 1 if $is_ready->();
        return if waitpid($pid, POSIX::WNOHANG()) != 0;
        sleep 0.05;
    }
    return;
}

# What a server on a unix socket answers to a request.
sub ask {
    my ($path, $request) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => $path) or return '';
    local $SIG{ALRM} = sub { close $socket };
    alarm 5;
    print {$socket} $request;
    $socket->flush;
    my $answer = '';
    sysread $socket, $answer, 4096;
    alarm 0;
    return $answer // '';
}

# The snapshot of a running program: it adds up, has at least ten dominators, and the planted thing is held as expected.
sub check_program {
    my ($pid, %expected) = @_;
    my $file = "$folder/$expected{name}.seep";
    my $result = seepline('snapshot', $pid, '-o', $file, '--json');
    is($result->{status}, 0, 'a snapshot is taken') or return diag($result->{err});
    my $answer = decode_json($result->{out});
    like($answer->{vm}, $expected{vm}, "it knows the VM: $answer->{vm}");
    is($answer->{graph_bytes}, $answer->{state_bytes}, "what is found adds up to the VM's count");
    my $report = seepline('heap', $file, '-n', 10);
    is($report->{status}, 0, 'the snapshot is read');
    unlike($report->{out}, qr/in flight/, 'nothing is in flight in a program that waits');
    cmp_ok(scalar @{$answer->{dominators}}, '>=', 10, 'the biggest dominators are named');
    my $path = seepline('path', $file, $expected{what});
    is($path->{status}, 0, "the planted table is found: $expected{what}") or diag($path->{err});
    like($path->{out}, $expected{held_by}, 'and what holds it') or diag($path->{out});
    return;
}

sub end_program {
    my ($pid) = @_;
    kill TERM => $pid;
    ok(finish_program($pid), 'the program ends as ever');
    return;
}

# Starts, waits, checks, ends.
sub with_program {
    my ($words, $is_ready, %expected) = @_;
    my $pid = start_program($words);
    if (!wait_until($pid, $is_ready)) {
        my $ended = finish_program($pid, 0);
        fail('the program is ready');
        diag($ended ? "$ended->{out}$ended->{err}" : 'it hangs');
        return;
    }
    check_program($pid, %expected);
    end_program($pid);
    return;
}

# -- The programs ------------------------------------------------------------------------------

sub test_redis {
    my $path = "$folder/redis.sock";
    my $script = "return {'planted in redis'}";
    my $load = "*3\r\n\$6\r\nSCRIPT\r\n\$4\r\nLOAD\r\n\$" . length($script) . "\r\n$script\r\n";
    with_program(['redis-server', '--port', 0, '--unixsocket', $path, '--save', '', '--daemonize', 'no', '--dir', $folder],
        sub { ask($path, $load) =~ /^\$40\r\n/ },
        name => 'redis', vm => qr/^Lua 5\.1/, what => 'planted in redis', held_by => qr/registry\.f_[0-9a-f]{40} → prototype/);
    return;
}

sub test_haproxy {
    my $path = "$folder/haproxy.sock";
    my $script = spew("$folder/planted.lua", <<'LUA');
planted = { in_haproxy = { deep = {} } }
core.register_service("hello", "http", function(applet)
  applet:set_status(200)
  applet:start_response()
  applet:send("hello")
end)
LUA
    my $configuration = spew("$folder/haproxy.cfg", <<"END");
global
  nbthread 2
  lua-load $script
defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 20s
frontend hello
  bind unix\@$path
  http-request use-service lua.hello
END
    with_program(['haproxy', '-db', '-f', $configuration],
        sub { ask($path, "GET / HTTP/1.0\r\n\r\n") =~ /200 OK/ },
        name => 'haproxy', vm => qr/^Lua 5\.3/, what => '_G.planted.in_haproxy.deep', held_by => qr/_G\.planted\.in_haproxy\.deep/);
    return;
}

sub test_neovim {
    my $done = "$folder/neovim.ready";
    my $plugin = spew("$folder/plugin.lua", <<"LUA");
local state = { planted = { in_neovim = {} } }
package.loaded.a_plugin = { show = function() return state end }
io.open("$done", "w"):close()
LUA
    with_program(['nvim', '--headless', '--clean', '-c', "luafile $plugin", '-c', 'sleep 60', '-c', 'qa!'],
        sub { -e $done },
        name => 'neovim', vm => qr/^LuaJIT 2\.1/, what => 'in_neovim',
        held_by => qr/package\.loaded\.a_plugin\.show → state\.planted/);
    return;
}

sub test_prosody {
    my $done = "$folder/prosody.ready";
    mkdir "$folder/$_" for qw(data plugins certs);
    spew("$folder/plugins/mod_planted.lua", <<"LUA");
planted_table = { in_prosody = {} }
module:hook_global("server-started", function() end)
io.open("$done", "w"):close()
LUA
    my $configuration = spew("$folder/prosody.cfg.lua", <<"LUA");
data_path = "$folder/data"
plugin_paths = { "$folder/plugins" }
certificates = "$folder/certs"
pidfile = "$folder/prosody.pid"
modules_enabled = { "planted" }
modules_disabled = { "c2s", "s2s" }
log = { { levels = { min = "info" }, to = "console" } }
c2s_ports = {}
s2s_ports = {}
http_ports = {}
https_ports = {}
run_as_root = true
VirtualHost "localhost"
LUA
    with_program(['prosody', '-F', '--config', $configuration],
        sub { -e $done && do { sleep 0.5; 1 } },
        name => 'prosody', vm => qr/^Lua 5\.4/, what => '_G.hosts.localhost.modules.planted.planted_table',
        held_by => qr/modules\.planted\.planted_table/);
    return;
}

# The folder that has nginx's Lua module and what it needs, and why not if there is none.
sub nginx_lua {
    my $folder = ($ENV{BUILD} // root() . '/build') . '/nginx-lua';
    my $result = execute([root() . '/dev/unpack-packages', 'nginx-lua', $folder], timeout => 60);
    return $folder if $result->{status} == 0;
    return (undef, $result->{err} =~ /^(.+)/ ? $1 : 'its download took too long');
}

sub test_nginx {
    my ($root, $why_not) = nginx_lua();
    return plan skip_all => "nginx's Lua module is not there: $why_not" if !defined $root;
    my $path = "$folder/nginx.sock";
    my $configuration = spew("$folder/nginx.conf", <<"END");
load_module $root/usr/lib/nginx/modules/ndk_http_module.so;
load_module $root/usr/lib/nginx/modules/ngx_http_lua_module.so;
daemon off;
master_process off;
pid $folder/nginx.pid;
error_log $folder/nginx.log;
events {}
http {
  access_log off;
  client_body_temp_path $folder;
  lua_package_path "$root/usr/share/lua/5.1/?.lua;;";
  init_by_lua_block { package.loaded.app = { cache = { in_nginx = {} } } }
  server {
    listen unix:$path;
    location / { content_by_lua_block { ngx.say("hello") } }
  }
}
END
    my ($libraries) = glob "$root/usr/lib/*-linux-gnu";
    local $ENV{LD_LIBRARY_PATH} = $libraries;
    with_program(['nginx', '-p', $folder, '-c', $configuration],
        sub { ask($path, "GET / HTTP/1.0\r\n\r\n") =~ /200 OK/ },
        name => 'nginx', vm => qr/^LuaJIT 2\.1/, what => 'package.loaded.app.cache', held_by => qr/package\.loaded\.app\.cache/);
    return;
}

my @programs = (
    ['redis-server', 'redis-server', \&test_redis], ['haproxy', 'haproxy', \&test_haproxy], ['nvim', 'neovim', \&test_neovim],
    ['prosody', 'prosody', \&test_prosody], ['nginx', 'nginx-light', \&test_nginx],
);
for my $program (@programs) {
    my ($command, $package, $test) = @$program;
    subtest $command => sub {
        have_command($command) or return plan skip_all => "$command is not installed (package $package)";
        $test->();
    };
}
done_testing();
