// Package guestqemu makes every started VM of the emulator a real QEMU virtual machine: its configuration becomes the
// command line that qemu-server would build, its disks are image files, its cloud-init drive holds what Proxmox VE would
// write, and its guest agent is the one that runs in it.
//
//   - commandline.go, drives.go, network.go: the configuration as a command line; pure
//   - disks.go: image files for volumes: overlays for linked clones, sparse files for data
//   - machine.go, protocol.go, agent.go: the running process, its control channel, the guest agent
//   - accelerator.go: KVM only where a guest proves that it works
//
// Processes are marked and files kept as package owned describes, so that they are found when a sandbox was killed.
package guestqemu

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"labctl/pkg/pvesim"
	"labctl/pkg/pvesim/guestimage"
	"labctl/pkg/pvesim/owned"
)

// Options say where VMs live and what they are.
type Options struct {
	// Dir gets one folder per VM. One Machines at a time may use it; what it held before is removed.
	Dir string
	// Image is the operating system of templates.
	Image guestimage.Image
	// KVM is whether KVM works; see HasKVM.
	KVM bool
	// Logger gets what happens to VMs; nil means silence.
	Logger *slog.Logger
}

// Machines are the VMs of one sandbox. They implement [pvesim.Guests].
type Machines struct {
	options Options
	sandbox *owned.Dir

	mu      sync.Mutex
	closed  bool
	running map[int]*machine        // by VMID
	leases  map[int]netip.Prefix    // of VMs with DHCP, kept over restarts
	routes  map[netip.Addr]*machine // whom the gateway reaches
}

var _ pvesim.Guests = (*Machines)(nil)

// New takes over options.Dir: it ends and removes what a killed sandbox left there, and fails when another one is using it.
func New(options Options) (*Machines, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	sandbox, err := owned.Open(options.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening the folder of virtual machines: %w", err)
	}
	if err := errors.Join(sandbox.Clear(), takesDirectIO(sandbox.Path)); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the folder of virtual machines: %w", err), sandbox.Close())
	}
	return &Machines{
		options: options, sandbox: sandbox,
		running: map[int]*machine{}, leases: map[int]netip.Prefix{}, routes: map[netip.Addr]*machine{},
	}, nil
}

// ConsolePath is where the serial console of a VM is kept that runs below dir.
func ConsolePath(dir string, vmid int) string {
	return filepath.Join(dir, owned.VMFolder(vmid), consoleFile)
}

// Boot starts QEMU. Its disks are those of the last boot, unless the VM was destroyed since.
func (m *Machines) Boot(spec pvesim.GuestSpec) (pvesim.Guest, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, fmt.Errorf("booting VM %d: the sandbox is closed", spec.VMID)
	case m.running[spec.VMID] != nil && !m.running[spec.VMID].Ended():
		return nil, fmt.Errorf("booting VM %d: it is running already", spec.VMID)
	}
	address := m.addressOf(spec)
	machine, err := m.start(spec, address)
	if err != nil {
		return nil, fmt.Errorf("booting VM %d: %w", spec.VMID, err)
	}
	m.running[spec.VMID] = machine
	if other := m.routes[address.Addr()]; other != nil {
		m.options.Logger.Warn("address conflict: the VM that started last answers", "address", address.Addr(), "vmid", spec.VMID, "other", other.vmid)
	}
	m.routes[address.Addr()] = machine
	go m.forgetAtEnd(machine)
	return machine, nil
}

// start makes the VM's files and its process.
func (m *Machines) start(spec pvesim.GuestSpec, address netip.Prefix) (*machine, error) {
	folder := filepath.Join(m.sandbox.Path, owned.VMFolder(spec.VMID))
	disks, err := prepare(folder, spec, m.options.Image, m.environment(spec.UUID))
	if err != nil {
		return nil, err
	}
	on := platform{KVM: m.options.KVM, Disks: disks, Network: network(address, spec, m.options.Image.Kernel != "")}
	on.Kernel, on.Initrd, on.Append = m.options.Image.Kernel, m.options.Image.Initrd, m.options.Image.Append
	return startMachine(m.sandbox, folder, spec, commandLine(spec, on), m.options.Logger)
}

// environment is that of QEMU and its tools: the marks, and nothing of this program's own, which may hold secrets.
func (m *Machines) environment(guest string) []string { return environment(m.sandbox, guest) }

func environment(sandbox *owned.Dir, guest string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH")}, sandbox.Environment(guest)...)
}

// addressOf is called with the lock held.
func (m *Machines) addressOf(spec pvesim.GuestSpec) netip.Prefix {
	if len(spec.Addresses) > 0 {
		return spec.Addresses[0]
	}
	if _, known := m.leases[spec.VMID]; !known {
		m.leases[spec.VMID] = lease(spec.VMID, func(address netip.Addr) bool {
			for _, other := range m.leases {
				if other.Addr() == address {
					return true
				}
			}
			return m.routes[address] != nil
		})
	}
	return m.leases[spec.VMID]
}

// forgetAtEnd makes a VM unreachable when its process ends, whoever ended it.
func (m *Machines) forgetAtEnd(machine *machine) {
	<-machine.ended
	m.mu.Lock()
	defer m.mu.Unlock()
	for address, at := range m.routes {
		if at == machine {
			delete(m.routes, address)
		}
	}
	if m.running[machine.vmid] == machine {
		delete(m.running, machine.vmid)
	}
}

// Route finds the loopback address at which the SSH server of the VM with an address is reached; see package gateway.
func (m *Machines) Route(address netip.Addr) (loopback string, found bool) {
	m.mu.Lock()
	machine := m.routes[address]
	m.mu.Unlock()
	if machine == nil {
		return "", false
	}
	return machine.forwarded()
}

// Discard removes the disks of a VM that was destroyed.
func (m *Machines) Discard(vmid int) error {
	m.mu.Lock()
	machine := m.running[vmid]
	delete(m.leases, vmid)
	m.mu.Unlock()
	if machine != nil {
		if err := machine.PowerOff(); err != nil {
			return fmt.Errorf("discarding VM %d: %w", vmid, err)
		}
	}
	return os.RemoveAll(filepath.Join(m.sandbox.Path, owned.VMFolder(vmid)))
}

// Close ends every VM and removes their folders. Closing twice is harmless.
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
	slices.SortFunc(running, func(a, b *machine) int { return a.vmid - b.vmid })
	var errs []error
	for _, machine := range running {
		errs = append(errs, machine.PowerOff())
	}
	return errors.Join(errors.Join(errs...), m.sandbox.Clear(), m.sandbox.Close())
}

// HasKVM says whether this machine runs a guest with KVM, and if not, why. That /dev/kvm exists and opens is not enough:
// in some virtual machines it does, and then a guest's kernel is interpreted, a thousand times slower than on a processor.
func HasKVM(ctx context.Context) (works bool, why string) { return probeKVM(ctx, "/dev/kvm") }
