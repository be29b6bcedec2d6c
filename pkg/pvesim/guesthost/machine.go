package guesthost

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"labctl/pkg/pvesim/owned"
)

// machineSpec is what a VM and the PVE node have in common.
type machineSpec struct {
	folder    string // name of its folder
	uuid      string // marks its processes
	user      string // the only one admitted
	keys      []string
	addresses func() []netip.Addr
	prepare   func(root string) error // fills the folder that stands for "/"
}

// machine is one running guest: a folder, an SSH server, and processes.
type machine struct {
	spec      machineSpec
	addresses []netip.Addr
	dir       string
	sandbox   *owned.Dir
	hostKey   ssh.Signer
	server    *server

	// starting is held for reading while a process is being started, so that
	// powerOff sees every process or none.
	starting sync.RWMutex
	off      bool
}

func startMachine(sandbox *owned.Dir, spec machineSpec, logger *slog.Logger) (*machine, error) {
	m := &machine{spec: spec, sandbox: sandbox, dir: filepath.Join(sandbox.Path, spec.folder), addresses: spec.addresses()}
	if err := m.claimFolder(); err != nil {
		return nil, fmt.Errorf("preparing folder: %w", err)
	}
	for _, dir := range []string{m.home(), m.temp(), filepath.Join(m.root(), "bin")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("preparing folder: %w", err)
		}
	}
	if err := spec.prepare(m.root()); err != nil {
		return nil, err
	}
	var err error
	if m.hostKey, err = loadHostKey(filepath.Join(m.dir, "host_key")); err != nil {
		return nil, fmt.Errorf("host key: %w", err)
	}
	m.server, err = listen(m, logger)
	return m, err
}

func (m *machine) home() string { return filepath.Join(m.dir, "home") }
func (m *machine) root() string { return filepath.Join(m.dir, "root") }
func (m *machine) temp() string { return filepath.Join(m.dir, "tmp") }

// claimFolder makes sure that nothing of another VM with the same VMID is seen.
func (m *machine) claimFolder() error {
	file := filepath.Join(m.dir, "uuid")
	owner, err := os.ReadFile(file)
	if err == nil && string(owner) == m.spec.uuid {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.RemoveAll(m.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(m.spec.uuid), 0o600)
}

// environment is what every command of the guest starts with: nothing of this
// program's own, which may hold secrets.
func (m *machine) environment() []string {
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return append([]string{
		"HOME=" + m.home(), "PWD=" + m.home(), "TMPDIR=" + m.temp(),
		"USER=" + m.spec.user, "LOGNAME=" + m.spec.user, "SHELL=/bin/sh",
		"PATH=" + filepath.Join(m.root(), "bin") + ":" + path,
		"LABCTL_SANDBOX=host", "LABCTL_ROOT=" + m.root(),
	}, m.sandbox.Environment(m.spec.uuid)...)
}

// publicHostKey is the content of /etc/ssh/ssh_host_ed25519_key.pub.
func (m *machine) publicHostKey() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(m.hostKey.PublicKey()))) + " root@" + m.spec.folder + "\n"
}

// powerOff ends the server, then every process. It may be called again after
// an error, and when all is over.
func (m *machine) powerOff() error {
	m.starting.Lock()
	m.off = true
	m.starting.Unlock()
	m.server.close()
	if err := m.sandbox.End(m.spec.uuid); err != nil {
		return fmt.Errorf("powering off: %w", err)
	}
	m.server.wait()
	return nil
}

// loadHostKey makes a key the first time: a VM keeps its host key over restarts.
func loadHostKey(file string) (ssh.Signer, error) {
	text, err := os.ReadFile(file)
	if err == nil {
		return ssh.ParsePrivateKey(text)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}
