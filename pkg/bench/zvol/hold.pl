# Holds one block device from the first look at it to the end of a trial on it, and looks at what the device is and who
# uses it. Nothing is written before labctl, which decides (zvol.Check), has said so for the very look that was taken.
#
# Perl, because the shell cannot open with O_EXCL, and every Proxmox VE node has it. Only modules of perl-base are used.
#
#   device=PATH   what Proxmox VE calls the device, in /dev/zvol
#   vmid=N        the VM whose disk it is
#   offset=N      where the guest wrote its token, in bytes
#   folder=PATH   in $HOME: look.N goes there, and verdict.N is read there, for N = 1, 2, ...
#   -- fio ...    what a trial runs; its file name is /dev/fd/20, the device that is held
#
# Verdicts: "look" looks again; "trial TOKEN" runs fio and leaves TOKEN at the offset; "discard" gives all blocks back;
# "end" ends. What was found after a trial goes to stderr, each line with a prefix.
use strict;
use warnings;
use Fcntl qw(:DEFAULT :flock :seek :mode);
use IO::Handle;
use POSIX qw(dup2 :sys_wait_h);

use constant {
	FD             => 20,       # of the device
	PATIENCE       => 1200,     # seconds without a verdict, after which nobody comes any more
	TOKEN_BYTES    => 512,
	HEAD_BYTES     => 65536,    # wiped before a trial: the signatures of all file systems that prepare.sh makes are there
	LIST           => 40,       # lines of one key at most
	BLKFLSBUF      => 0x1261,   # linux/fs.h
	BLKDISCARD     => 0x1277,   # linux/fs.h
	LOOP_STATUS64  => 0x4C05,   # LOOP_GET_STATUS64, linux/loop.h
	KSTAT          => '/proc/spl/kstat/zfs',
	PREFIX         => 'labctl-hold ',
};
$^F = FD;    # fio and the tools inherit the device
$ENV{PATH} = ($ENV{PATH} // '') . ':/usr/sbin:/sbin:/usr/bin:/bin:/usr/lib/udev:/lib/udev';
$ENV{LC_ALL} = 'C';

my (%arg, @fio);
while (defined(my $word = shift @ARGV)) {
	if ($word eq '--') { @fio = @ARGV; last }
	my ($key, $value) = split /=/, $word, 2;
	$arg{$key} = $value;
}
my $folder = "$ENV{HOME}/$arg{folder}";
my ($exclusive, $open_error, $device, %numbers, $child, $stopped);
my ($out, %count);

# fact notes one line. Text from the system cannot make another line of it.
sub fact {
	my ($key, $value) = @_;
	return if !defined $value || $value eq '' || ++$count{$key} > LIST;
	$value =~ s/[\x00-\x1f\x7f]+/ /g;
	$out .= "$key=" . substr($value, 0, 8192) . "\n";
}

# run returns what a command printed on both streams, and its exit code.
sub run {
	my @command = @_;
	my $pid = open(my $pipe, '-|') // return ('', 127);
	if (!$pid) {
		open STDERR, '>&', \*STDOUT;
		exec {$command[0]} @command or do { print "$command[0]: $!\n"; POSIX::_exit(127) };
	}
	local $/;
	my $text = <$pipe> // '';
	close $pipe;
	return ($text, $? >> 8);
}

sub first_line {
	my ($path) = @_;
	open(my $file, '<', $path) or return;
	my $line = <$file> // return;
	chomp $line;
	return $line;
}

# major_minor splits what stat calls rdev (gnu_dev_major and gnu_dev_minor of glibc).
sub major_minor {
	my ($dev) = @_;
	return ((($dev >> 8) & 0xfff) | (($dev >> 32) & ~0xfff)) . ':' . (($dev & 0xff) | (($dev >> 12) & ~0xff));
}

# --- the device ---------------------------------------------------------------------------------------------------------

# hold opens the device so that nobody can mount it or build on it. When others have it that way already, it is opened for
# looking only. While it is open, ZFS neither destroys it nor gives its number to another.
sub hold {
	my $flags = O_NONBLOCK | O_NOCTTY;
	if (sysopen(my $file, $arg{device}, $flags | O_RDWR | O_EXCL)) {
		$exclusive = 1;
		keep($file);
	} else {
		$open_error = "$!";
		keep($file) if sysopen($file, $arg{device}, $flags | O_RDONLY);
	}
	run('udevadm', 'settle', '--timeout=20');
	# udev leaves a device alone that is locked in this way (systemd, docs/BLOCK_DEVICE_LOCKING.md).
	for (1 .. 100) {
		last if !$device || flock($device, LOCK_EX | LOCK_NB);
		select(undef, undef, undef, 0.1);
	}
}

sub keep {
	my ($file) = @_;
	defined dup2(fileno($file), FD) or die "dup2: $!";
	open($device, '+<&=', FD) or open($device, '<&=', FD) or die "fdopen: $!";
	binmode $device;
}

# identify says which device it is, by its number and not by its name.
sub identify {
	my @stat = stat $device;
	fact('kind', S_ISBLK($stat[2]) ? 'block' : S_ISREG($stat[2]) ? 'file' : 'other');
	my $number = major_minor($stat[6]);
	fact('number', $number);
	fact('size', sysseek($device, 0, SEEK_END) + 0);
	%numbers = ($stat[6] => 1);
	my $name = (split m{/}, readlink("/sys/dev/block/$number") // '')[-1] // return;
	for my $part (glob "/sys/dev/block/$number/*/partition") {
		my ($part_name) = $part =~ m{([^/]+)/partition$};
		fact('part', $part_name);
		my @node = stat "/dev/$part_name";
		$numbers{$node[6]} = 1 if @node;
	}
	fact('holder', (split m{/})[-1]) for glob("/sys/dev/block/$number/holders/* /sys/dev/block/$number/*/holders/*");
	fact('read_only', first_line("/sys/dev/block/$number/ro"));
	my @node = stat "/dev/$name";
	return if !@node || $node[6] != $stat[6];
	fact('node', "/dev/$name");
	my ($text, $code) = run('zvol_id', "/dev/$name");
	fact($code ? 'zvol_id_error' : 'zvol_id', $text =~ s/\s+$//r);
	return "/dev/$name";
}

# --- who uses it --------------------------------------------------------------------------------------------------------

# openers looks at every open file of every process, by the number of the device and in one pass: any name may lead to it.
sub openers {
	my %open;
	for my $folder (glob '/proc/[0-9]*/fd') {
		my ($pid) = $folder =~ m{(\d+)};
		next if $pid == $$ || !opendir(my $files, $folder);
		for my $file (readdir $files) {
			next if (readlink("$folder/$file") // ':') =~ /^[a-z_]*:/;    # sockets, pipes and the like
			my @stat = stat "$folder/$file";
			$open{$pid} = 1 if @stat && S_ISBLK($stat[2]) && $numbers{$stat[6]};
		}
	}
	return sort { $a <=> $b } keys %open;
}

# users says who has the device. udev may be about to finish; it does not come again while the device is locked.
sub users {
	my @pids;
	for (1 .. 20) {
		@pids = openers();
		last if !grep { (first_line("/proc/$_/comm") // '') =~ /udev/ } @pids;
		select(undef, undef, undef, 0.25);
	}
	fact('open', "$_ " . (first_line("/proc/$_/comm") // '')) for @pids;
	my $pid = first_line("/var/run/qemu-server/$arg{vmid}.pid");
	fact('qemu', $1) if defined $pid && $pid =~ /^(\d+)$/;
	mounts();
	for my $loop (glob '/sys/block/loop*/loop') {
		my ($name) = $loop =~ m{/(loop\d+)/};
		my $status = "\0" x 256;
		sysopen(my $file, "/dev/$name", O_RDONLY) or next;
		ioctl($file, LOOP_STATUS64, $status) or next;
		my (undef, undef, $rdev) = unpack 'Q3', $status;    # lo_device, lo_inode, lo_rdevice
		fact('loop', $name) if $numbers{$rdev};
	}
}

# mounts looks into every mount namespace, and at the swap areas.
sub mounts {
	my (%seen, %wanted);
	$wanted{major_minor($_)} = 1 for keys %numbers;
	for my $file (glob '/proc/[0-9]*/mountinfo') {
		my $namespace = readlink($file =~ s/mountinfo$/ns\/mnt/r) // next;
		next if $seen{$namespace}++ || !open(my $lines, '<', $file);
		while (my $line = <$lines>) {
			my @field = split ' ', $line;
			my ($pid) = $file =~ m{(\d+)};
			fact('mount', "$field[4] (of process $pid)") if $wanted{$field[2]};
		}
	}
	open(my $swaps, '<', '/proc/swaps') or return;
	while (my $line = <$swaps>) {
		my @stat = stat((split ' ', $line)[0]);
		fact('mount', 'swap') if @stat && S_ISBLK($stat[2]) && $numbers{$stat[6]};
	}
}

# --- what is on it ------------------------------------------------------------------------------------------------------

# content reads the disk and not what was once read of it.
sub content {
	ioctl($device, BLKFLSBUF, 0);
	my ($text, $code) = run('wipefs', '--no-act', '--json', '/dev/fd/' . FD);
	fact($code ? 'signatures_error' : 'signatures', $text);
	my $read = '';
	if (length($arg{offset} // '') && defined sysseek($device, $arg{offset}, SEEK_SET)) {
		sysread $device, $read, TOKEN_BYTES;
	}
	fact('token', $1) if ($read // '') =~ /^(labctl-token-[0-9a-f]{32})\n/;
}

# --- what ZFS says ------------------------------------------------------------------------------------------------------

sub zfs {
	my ($dataset) = @_;
	my @names = qw(type guid createtxg volsize volmode readonly encryption keystatus origin available);
	my ($text, $code) = run('zfs', 'get', '-Hp', '-o', 'property,value', join(',', @names), $dataset);
	return fact('zfs_error', $text) if $code;
	while ($text =~ /^(\w+)\t(.*)$/mg) { fact("zfs_$1", $2) }
	($text) = run('zfs', 'list', '-H', '-d', '1', '-t', 'snapshot', '-o', 'name,clones', $dataset);
	while ($text =~ /^(\S+@\S+)\t(.*)$/mg) {
		fact('snapshot', $1);
		fact('clone', $2) if $2 ne '-';
	}
	my ($pool) = $dataset =~ m{^([^/]+)};
	($text, $code) = run('zpool', 'list', '-Hp', '-o', 'capacity', $pool);
	fact('pool_used_percent', $1) if !$code && $text =~ /^(\d+)/;
}

# written is how many bytes every dataset has taken since its pool was imported (module/zfs/dataset_kstats.c).
sub written {
	my %bytes;
	for my $file (glob KSTAT . '/*/objset-*') {
		open(my $lines, '<', $file) or next;
		my ($name, $bytes);
		while (my $line = <$lines>) {
			$name = $1 if $line =~ /^dataset_name\s+\d+\s+(.*)$/;
			$bytes = $1 if $line =~ /^nwritten\s+\d+\s+(\d+)$/;
		}
		$bytes{$name} = $bytes if defined $name && defined $bytes;
	}
	return %bytes;
}

# --- the host -----------------------------------------------------------------------------------------------------------

sub host {
	fact('uid', $>);
	fact('host', (POSIX::uname())[1]);
	fact('pve_node', (split m{/}, readlink('/etc/pve/local') // '')[-1]);
	for my $name ('pveproxy-ssl.pem', 'pve-ssl.pem') {
		next if !-e "/etc/pve/local/$name";
		my ($text) = run('openssl', 'x509', '-noout', '-fingerprint', '-sha256', '-in', "/etc/pve/local/$name");
		fact('certificate', $1) if $text =~ /=((?:[0-9A-F]{2}:){31}[0-9A-F]{2})/;
	}
}

# --- the conversation ---------------------------------------------------------------------------------------------------

sub look {
	($out, %count) = ('');
	host();
	fact('link', readlink $arg{device});
	fact('exclusive', $exclusive ? 'yes' : 'no');
	fact('open_error', $open_error);
	my ($dataset) = $arg{device} =~ m{^/dev/zvol/(.+)$};
	if ($device) {
		identify();
		users();
		content();
		fact('nwritten', {written()}->{$dataset // ''});
	}
	zfs($dataset) if defined $dataset;
	return $out . "end=1\n";
}

sub put {
	my ($name, $text) = @_;
	open(my $file, '>', "$folder/$name.new") or die "$folder/$name.new: $!\n";
	print $file $text;
	close $file or die "$folder/$name.new: $!\n";
	rename "$folder/$name.new", "$folder/$name" or die "$folder/$name: $!\n";
}

sub await {
	my ($name) = @_;
	for (1 .. PATIENCE * 10) {
		exit 143 if $stopped;
		my $verdict = first_line("$folder/$name");
		return $verdict if defined $verdict;
		select(undef, undef, undef, 0.1);
	}
	return 'end';
}

# --- what is written ----------------------------------------------------------------------------------------------------

sub put_at {
	my ($offset, $bytes) = @_;
	defined sysseek($device, $offset, SEEK_SET) or die "seeking to $offset: $!\n";
	my $n = syswrite $device, $bytes;
	defined $n && $n == length $bytes or die "writing at $offset: " . ($! || 'cut short') . "\n";
	$device->sync or die "fsync: $!\n";
}

sub trial {
	my ($token) = @_;
	put_at(0, "\0" x HEAD_BYTES);
	my %before = written();
	my $begun = clock();
	$child = fork // die "fork: $!\n";
	if (!$child) {
		$SIG{TERM} = $SIG{INT} = 'DEFAULT';
		exec {$fio[0]} @fio or do { print STDERR "$fio[0]: $!\n"; POSIX::_exit(127) };
	}
	while (waitpid($child, 0) < 0 && $!{EINTR}) { }
	my $status = $?;
	my $ended = clock();
	$device->sync;
	report($begun, $ended, %before);
	put_at($arg{offset}, $token . "\n" . "\0" x (TOKEN_BYTES - length($token) - 1));
	return $status & 127 ? 128 + ($status & 127) : $status >> 8;
}

sub clock { (run('date', '+%s%N'))[0] =~ s/\s+$//r }

# report says what became of the trial: who has the device now, and where bytes arrived.
sub report {
	my ($begun, $ended, %before) = @_;
	($out, %count) = ('');
	fact('began', $begun);
	fact('ended', $ended);
	identify();
	fact('open', "$_ " . (first_line("/proc/$_/comm") // '')) for openers();
	my %after = written();
	for my $name (sort keys %after) {
		my $grown = $after{$name} - ($before{$name} // 0);
		fact('grown', "$grown $name") if $grown > 0;
	}
	$out .= "end=1\n";
	$out =~ s/^/@{[PREFIX]}/mg;
	print STDERR $out;
}

$SIG{HUP} = 'IGNORE';
$SIG{TERM} = $SIG{INT} = sub { $stopped = 1; kill 'TERM', $child if $child };
hold();
for (my $n = 1; ; $n++) {
	put("look.$n", look());
	my ($verdict, $token) = split ' ', await("verdict.$n");
	if ($verdict eq 'look') { next }
	if ($verdict eq 'end') { exit 0 }
	# No verdict opens what is not held.
	die "the device is not held\n" if !$exclusive;
	if ($verdict eq 'trial') { exit trial($token) }
	if ($verdict eq 'discard') {
		ioctl($device, BLKDISCARD, pack('Q2', 0, sysseek($device, 0, SEEK_END))) or die "discarding: $!\n";
		exit 0;
	}
	die "verdict $verdict is not known\n";
}
