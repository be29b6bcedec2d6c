package guesthost

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"labctl/pkg/pvesim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func authorized(signer ssh.Signer) string {
	return string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
}

func newMachines(t *testing.T, options Options) *Machines {
	t.Helper()
	if options.Dir == "" {
		options.Dir = t.TempDir()
	}
	machines, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := machines.Close(); err != nil {
			t.Error(err)
		}
	})
	return machines
}

func testSpec(key ssh.Signer) pvesim.GuestSpec {
	return pvesim.GuestSpec{
		VMID: 101, UUID: "8f2c5c3e-0000-4000-8000-000000000101", Name: "vm1", CIUser: "lab", SSHKeys: []string{authorized(key)},
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.10.10.101/24")}, MAC: "BC:24:11:00:00:01",
		Disks: []pvesim.GuestDisk{
			{Slot: "scsi0", Volume: "tank:vm-101-disk-0"},
			{Slot: "scsi1", Volume: "tank:vm-101-disk-1", Serial: "labctl-data"},
		},
	}
}

func boot(t *testing.T, machines *Machines, spec pvesim.GuestSpec) *guest {
	t.Helper()
	booted, err := machines.Boot(spec)
	if err != nil {
		t.Fatal(err)
	}
	guest, ok := booted.(*guest)
	if !ok {
		t.Fatalf("booted a %T", booted)
	}
	return guest
}

// login connects and checks the host key against what the agent says.
func login(t *testing.T, guest *guest, user string, key ssh.Signer) (*ssh.Client, error) {
	t.Helper()
	text, err := guest.ReadFile("/etc/ssh/ssh_host_ed25519_key.pub")
	if err != nil {
		t.Fatal(err)
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", guest.machine.server.listener.Addr().String(), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(hostKey),
	})
	if err == nil {
		t.Cleanup(func() { _ = client.Close() })
	}
	return client, err
}

func mustLogin(t *testing.T, guest *guest, key ssh.Signer) *ssh.Client {
	t.Helper()
	client, err := login(t, guest, "lab", key)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func run(t *testing.T, client *ssh.Client, line string, stdin io.Reader) (stdout, stderr string, err error) {
	t.Helper()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var out, errs bytes.Buffer
	session.Stdin, session.Stdout, session.Stderr = stdin, &out, &errs
	_ = session.Setenv("LC_TEST", "x")
	err = session.Run(line)
	return out.String(), errs.String(), err
}

func TestLogin(t *testing.T) {
	key := newSigner(t)
	guest := boot(t, newMachines(t, Options{}), testSpec(key))
	mustLogin(t, guest, key)
	if _, err := login(t, guest, "root", key); err == nil {
		t.Error("another user was admitted")
	}
	if _, err := login(t, guest, "lab", newSigner(t)); err == nil {
		t.Error("another key was admitted")
	}
}

func TestCommands(t *testing.T) {
	key := newSigner(t)
	guest := boot(t, newMachines(t, Options{}), testSpec(key))
	client := mustLogin(t, guest, key)
	m := guest.machine
	big := strings.Repeat("0123456789abcdef", 256<<10)
	for name, test := range map[string]struct {
		line, stdin, stdout, stderr string
		code                        int
		signal                      string
	}{
		"output":      {line: "echo out; echo err >&2", stdout: "out\n", stderr: "err\n"},
		"exit status": {line: "exit 7", code: 7},
		"signal":      {line: "kill -KILL $$", signal: "KILL"},
		"folder":      {line: "pwd; echo $HOME", stdout: m.home() + "\n" + m.home() + "\n"},
		"sandbox":     {line: "echo $LABCTL_SANDBOX $LABCTL_ROOT", stdout: "host " + m.root() + "\n"},
		"mark":        {line: "echo $LABCTL_SANDBOX_GUEST", stdout: m.spec.uuid + "\n"},
		"path":        {line: "echo ${PATH%%:*}", stdout: m.root() + "/bin\n"},
		"client env":  {line: "echo $LC_TEST", stdout: "x\n"},
		"data disk":   {line: `cd $LABCTL_ROOT/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_labctl-data && ls -a | wc -l`, stdout: "2\n"},
		"os disk":     {line: `[ -d $LABCTL_ROOT/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi0 ]`},
		"large":       {line: "cat", stdin: big, stdout: big},
		"unread":      {line: "echo; exit 3", stdin: big, stdout: "\n", code: 3},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, err := run(t, client, test.line, strings.NewReader(test.stdin))
			var exit *ssh.ExitError
			code, signal := 0, ""
			if errors.As(err, &exit) {
				code, signal = exit.ExitStatus(), exit.Signal()
			} else if err != nil && !errors.Is(err, io.EOF) { // EOF: stdin was not read
				t.Fatal(err)
			}
			if stdout != test.stdout || stderr != test.stderr || signal != test.signal || signal == "" && code != test.code {
				t.Errorf("got %.100q %.100q %d %q\nwant %.100q %.100q %d %q",
					stdout, stderr, code, signal, test.stdout, test.stderr, test.code, test.signal)
			}
		})
	}
}

func TestNothingOfThisProgramsEnvironment(t *testing.T) {
	t.Setenv("LABCTL_PVE_TOKEN_SECRET", "secret")
	key := newSigner(t)
	guest := boot(t, newMachines(t, Options{}), testSpec(key))
	stdout, _, err := run(t, mustLogin(t, guest, key), "env", nil)
	if err != nil || strings.Contains(stdout, "secret") {
		t.Errorf("a guest sees %q, %v", stdout, err)
	}
}

func TestOnlyCommandsAreOffered(t *testing.T) {
	key := newSigner(t)
	client := mustLogin(t, boot(t, newMachines(t, Options{}), testSpec(key)), key)
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.RequestSubsystem("sftp"); err == nil {
		t.Error("sftp is offered")
	}
	if err := session.RequestPty("xterm", 25, 80, ssh.TerminalModes{}); err == nil {
		t.Error("terminals are offered")
	}
	if err := session.Setenv("PATH", "/tmp"); err == nil {
		t.Error("PATH may be set")
	}
	if conn, err := client.Dial("tcp", "127.0.0.1:1"); err == nil {
		t.Error("forwarding is offered", conn.Close())
	}
}

func TestSignalReachesTheCommand(t *testing.T) {
	key := newSigner(t)
	guest := boot(t, newMachines(t, Options{}), testSpec(key))
	session, err := mustLogin(t, guest, key).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	ready := fifo(t, guest, "ready")
	fifo(t, guest, "never")
	if err := session.Start("echo >ready; exec cat never"); err != nil {
		t.Fatal(err)
	}
	read(t, ready)
	if err := session.Signal(ssh.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *ssh.ExitError
	if err := session.Wait(); !errors.As(err, &exit) || exit.Signal() != "TERM" {
		t.Errorf("got %v, want SIGTERM", err)
	}
}

// alive is a command that tells that it runs and then keeps the named pipe
// "alive" open as long as it lives.
const alive = `exec 5>alive; echo started >&5; cat never`

func TestCommandDiesWithItsClient(t *testing.T) {
	signal.Ignore(syscall.SIGHUP) // as nohup does
	defer signal.Reset(syscall.SIGHUP)
	key := newSigner(t)
	machines := newMachines(t, Options{})
	guest := boot(t, machines, testSpec(key))
	client := mustLogin(t, guest, key)
	pipe, detached := fifo(t, guest, "alive"), fifo(t, guest, "detached")
	fifo(t, guest, "never")
	for _, line := range []string{alive, "setsid sh -c '" + strings.ReplaceAll(alive, "5>alive", "5>detached") + "' >/dev/null 2>&1 </dev/null &"} {
		session, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Start(line); err != nil {
			t.Fatal(err)
		}
	}
	plain, survivor := open(t, pipe), open(t, detached)
	awaitStarted(t, plain)
	awaitStarted(t, survivor)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, plain)
	if !anywhere(t, machines) {
		t.Error("the detached command died with its client")
	}
	if err := guest.PowerOff(); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, survivor)
	if anywhere(t, machines) {
		t.Error("something of the guest survived power off")
	}
	if err := guest.PowerOff(); err != nil {
		t.Errorf("power off twice: %v", err)
	}
	if _, err := startCommand(guest.machine, "true", nil); err == nil {
		t.Error("a command was started on a machine that is off")
	}
}

func TestWhatAGuestKeeps(t *testing.T) {
	key := newSigner(t)
	machines := newMachines(t, Options{})
	spec := testSpec(key)
	const count = `cd $LABCTL_ROOT/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_labctl-data && echo >>f; wc -l <f; echo >>~/f; wc -l <~/f`
	for i, test := range []struct {
		change func()
		want   string
	}{
		{func() {}, "1\n1\n"},
		{func() {}, "2\n2\n"},
		{func() { spec.Disks[1].Volume = "tank:vm-101-disk-2" }, "1\n3\n"},
		{func() { spec.Disks[1].Volume = "tank:vm-101-disk-1" }, "3\n4\n"},
		{func() {
			if err := machines.Discard(101); err != nil {
				t.Error(err)
			}
		}, "1\n1\n"},
		{func() { spec.UUID = "another" }, "1\n1\n"},
	} {
		test.change()
		guest := boot(t, machines, spec)
		if got, _, err := run(t, mustLogin(t, guest, key), count, nil); err != nil || got != test.want {
			t.Errorf("boot %d: got %q, %v; want %q", i, got, err, test.want)
		}
		if err := guest.PowerOff(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBootRefuses(t *testing.T) {
	key := newSigner(t)
	machines := newMachines(t, Options{})
	for name, change := range map[string]func(*pvesim.GuestSpec){
		"serial":      func(s *pvesim.GuestSpec) { s.Disks[1].Serial = "../../x" },
		"key":         func(s *pvesim.GuestSpec) { s.SSHKeys = []string{"nonsense"} },
		"key options": func(s *pvesim.GuestSpec) { s.SSHKeys[0] = `command="true" ` + s.SSHKeys[0] },
	} {
		spec := testSpec(key)
		change(&spec)
		if _, err := machines.Boot(spec); err == nil {
			t.Errorf("%s: booted", name)
		}
	}
	boot(t, machines, testSpec(key))
	if _, err := machines.Boot(testSpec(key)); err == nil {
		t.Error("booted twice")
	}
}

// anywhere tells whether any process of any guest runs.
func anywhere(t *testing.T, machines *Machines) bool {
	t.Helper()
	mark := "LABCTL_SANDBOX_DIR=" + machines.sandbox.Path + "\x00"
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range environs {
		if environ, err := os.ReadFile(path); err == nil && bytes.Contains(environ, []byte(mark)) {
			return true
		}
	}
	return false
}

func fifo(t *testing.T, guest *guest, name string) string {
	t.Helper()
	path := filepath.Join(guest.machine.home(), name)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	file, err := os.Open(path) // blocks until the command opens its end
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func read(t *testing.T, path string) {
	t.Helper()
	if _, err := os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
}

func awaitStarted(t *testing.T, pipe *os.File) {
	t.Helper()
	line := make([]byte, len("started\n"))
	if _, err := io.ReadFull(pipe, line); err != nil || string(line) != "started\n" {
		t.Fatalf("command said %q, %v", line, err)
	}
}

// awaitEnd waits until every process that holds the pipe is gone.
func awaitEnd(t *testing.T, pipe *os.File) {
	t.Helper()
	if rest, err := io.ReadAll(pipe); err != nil || len(rest) != 0 {
		t.Errorf("pipe ended with %q, %v", rest, err)
	}
}
