// Package guesthost makes the VMs of the emulator real enough to measure:
// every started VM is an SSH server on loopback whose commands are processes of
// this machine, in a private folder, so that a real fio runs on real storage.
//
// A guest is not isolated from this machine; it is marked. Each of its
// processes carries two settings in its environment, LABCTL_SANDBOX_GUEST and
// LABCTL_SANDBOX_DIR, by which all of them can be found and ended, also those
// that left their session, and also by a later sandbox ([owned.RemoveStale]) when
// this one was killed.
//
// What commands see: HOME and the working directory are the guest's own;
// LABCTL_SANDBOX=host; LABCTL_ROOT is a folder that stands for "/", where
// dev/disk/by-id has a directory for each data disk; PATH begins with
// $LABCTL_ROOT/bin.
package guesthost

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"labctl/pkg/pvesim"
	"labctl/pkg/pvesim/owned"
)

// Options say where guests live and how they behave.
type Options struct {
	// Dir gets one folder per guest. One Machines at a time may use it; what it
	// held before is removed.
	Dir string
	// AgentAfter is how long after its start a guest's agent begins to answer.
	AgentAfter time.Duration
	// Logger gets what happens to guests; nil means silence.
	Logger *slog.Logger
}

// Machines are the guests of one sandbox. They implement [pvesim.Guests].
type Machines struct {
	options Options
	sandbox *owned.Dir

	mu       sync.Mutex
	closed   bool
	running  map[string]*machine     // by folder name
	routes   map[netip.Addr]*machine // whom the gateway reaches
	invented map[int]netip.Addr      // addresses invented for VMs with DHCP, kept over restarts
}

var _ pvesim.Guests = (*Machines)(nil)

// New takes over options.Dir: it ends and removes what a killed sandbox left
// there, and fails when another one is using it.
func New(options Options) (*Machines, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	sandbox, err := owned.Open(options.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening sandbox folder: %w", err)
	}
	if err := sandbox.Clear(); err != nil {
		return nil, errors.Join(fmt.Errorf("removing what an earlier sandbox left: %w", err), sandbox.Close())
	}
	unignoreHangups()
	return &Machines{
		options: options, sandbox: sandbox,
		running: map[string]*machine{}, routes: map[netip.Addr]*machine{}, invented: map[int]netip.Addr{},
	}, nil
}

// unignoreHangups lets commands of guests die with their client's connection where this process was started by nohup:
// programs that it starts inherit a signal that is ignored, but not one that is caught.
func unignoreHangups() {
	if signal.Ignored(unix.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), unix.SIGHUP) // nobody reads it
	}
}

// Boot starts the SSH server of a VM. Its home and disks are those of the last
// boot, unless the VM was destroyed since.
func (m *Machines) Boot(spec pvesim.GuestSpec) (pvesim.Guest, error) {
	user := spec.CIUser
	if user == "" {
		user = "ubuntu" // the cloud image's own
	}
	machine, err := m.start(machineSpec{
		folder: owned.VMFolder(spec.VMID), uuid: spec.UUID, user: user, keys: spec.SSHKeys,
		addresses: func() []netip.Addr { return m.addressesOf(spec) },
		prepare:   func(root string) error { return attachDisks(root, spec.Disks) },
	})
	if err != nil {
		return nil, fmt.Errorf("booting VM %d: %w", spec.VMID, err)
	}
	return newGuest(m, machine, spec), nil
}

// Discard removes the home and the disks of a VM that was destroyed.
func (m *Machines) Discard(vmid int) error {
	m.mu.Lock()
	machine := m.running[owned.VMFolder(vmid)]
	delete(m.invented, vmid)
	m.mu.Unlock()
	if machine != nil {
		if err := m.stop(machine); err != nil {
			return fmt.Errorf("discarding VM %d: %w", vmid, err)
		}
	}
	return os.RemoveAll(filepath.Join(m.sandbox.Path, owned.VMFolder(vmid)))
}

// Close ends every process of every guest and removes their folders. Closing
// twice is harmless.
func (m *Machines) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	var running []*machine
	for _, machine := range m.running {
		running = append(running, machine)
	}
	m.mu.Unlock()
	var errs []error
	for _, machine := range running {
		errs = append(errs, m.stop(machine))
	}
	return errors.Join(errors.Join(errs...), m.sandbox.Clear(), m.sandbox.Close())
}

// start starts a machine and makes it reachable.
func (m *Machines) start(spec machineSpec) (*machine, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errors.New("the sandbox is closed")
	}
	if m.running[spec.folder] != nil {
		return nil, errors.New("it is running already")
	}
	machine, err := startMachine(m.sandbox, spec, m.options.Logger)
	if err != nil {
		return nil, err
	}
	m.running[spec.folder] = machine
	for _, address := range machine.addresses {
		if m.routes[address] != nil {
			m.options.Logger.Warn("address conflict: the guest that started last answers",
				"address", address, "guest", spec.folder, "other", m.routes[address].spec.folder)
		}
		m.routes[address] = machine
	}
	return machine, nil
}

// stop makes a machine unreachable and ends it.
func (m *Machines) stop(machine *machine) error {
	m.mu.Lock()
	for address, at := range m.routes {
		if at == machine {
			delete(m.routes, address)
		}
	}
	m.mu.Unlock()
	if err := machine.powerOff(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running[machine.spec.folder] == machine {
		delete(m.running, machine.spec.folder)
	}
	return nil
}

// addressesOf is called with the lock held. A DHCP server there is none, so a
// VM without a static address gets one invented.
func (m *Machines) addressesOf(spec pvesim.GuestSpec) []netip.Addr {
	var addresses []netip.Addr
	for _, prefix := range spec.Addresses {
		addresses = append(addresses, prefix.Addr())
	}
	if len(addresses) > 0 {
		return addresses
	}
	if _, known := m.invented[spec.VMID]; !known {
		m.invented[spec.VMID] = m.inventAddress(spec.VMID)
	}
	return []netip.Addr{m.invented[spec.VMID]}
}

// inventAddress finds a free one in 10.255.0.0/16, starting from the VMID so
// that it is mostly the same in every sandbox.
func (m *Machines) inventAddress(vmid int) netip.Addr {
	taken := map[netip.Addr]bool{}
	for _, address := range m.invented {
		taken[address] = true
	}
	for n := vmid; ; n++ {
		n := n % (254 * 254)
		address := netip.AddrFrom4([4]byte{10, 255, byte(n/254 + 1), byte(n%254 + 1)})
		if !taken[address] && m.routes[address] == nil {
			return address
		}
	}
}
