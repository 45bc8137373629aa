$SIG{PIPE} = "IGNORE";
use IO::Socket;
my ($kind, @at) = @ARGV;
my $ip = eval { require IO::Socket::IP } ? "IO::Socket::IP" : "IO::Socket::INET";
my $s = $kind eq "unix" ? IO::Socket::UNIX->new(Peer => $at[0]) : $ip->new(PeerAddr => $at[0], PeerPort => $at[1]);
$s or die "error: cannot connect to @at: $!\n";
setsockopt $s, 6, 1, 1 if $kind eq "tcp";
$_->blocking(0) for \*STDOUT, $s;
my ($in, $out, $fd) = ("", "", fileno $s);
my $room = 1048576;
sub put { my $n = syswrite $_[0], $_[1]; defined $n ? substr $_[1], 0, $n, "" : $!{EAGAIN} || exit }
while (1) {
my ($r, $w) = ("", "");
vec($r, 0, 1) = 1 if length $in < $room;
vec($r, $fd, 1) = 1 if length $out < $room;
vec($w, 1, 1) = 1 if length $out;
vec($w, $fd, 1) = 1 if length $in;
next if select($r, $w, undef, undef) < 0;
put(*STDOUT, $out) if vec($w, 1, 1);
put($s, $in) if vec($w, $fd, 1);
if (vec $r, $fd, 1) { my $n = sysread $s, $out, 65536, length $out; defined $n ? $n || last : $!{EAGAIN} || exit }
if (vec $r, 0, 1) { my $n = sysread STDIN, $in, 65536, length $in; $n || ($s->blocking(1), put($s, $in), exit) }
}
STDOUT->blocking(1);
put(*STDOUT, $out) while length $out;
