package guesthost

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"labctl/pkg/pvesim/owned"
)

// HostSpec is the PVE node as a machine to log in to.
type HostSpec struct {
	// Name is the node's; letters, digits and "._-".
	Name string
	// Address is where the gateway reaches it.
	Address netip.Addr
	// User is the only one admitted, with these authorized_keys lines.
	User           string
	AuthorizedKeys []string
	// Directory is where the lab measures the node: an absolute path, made inside LABCTL_ROOT.
	Directory string
}

// Host is the running PVE node.
type Host struct {
	machines *Machines
	machine  *machine
	spec     HostSpec
}

// AddHost starts the PVE node: the same kind of machine as a guest, without agent and disks.
func (m *Machines) AddHost(spec HostSpec) (*Host, error) {
	folder := "host-" + spec.Name
	if !owned.IsFolder(folder) {
		return nil, fmt.Errorf("adding host: invalid name %q", spec.Name)
	}
	if !filepath.IsAbs(spec.Directory) {
		return nil, fmt.Errorf("adding host %s: directory %q is not absolute", spec.Name, spec.Directory)
	}
	machine, err := m.start(machineSpec{
		folder: folder, uuid: folder, user: spec.User, keys: spec.AuthorizedKeys,
		addresses: func() []netip.Addr { return []netip.Addr{spec.Address} },
		prepare:   func(root string) error { return os.MkdirAll(filepath.Join(root, spec.Directory), 0o755) },
	})
	if err != nil {
		return nil, fmt.Errorf("adding host %s: %w", spec.Name, err)
	}
	return &Host{machines: m, machine: machine, spec: spec}, nil
}

// HostKey is the node's public host key as a line, without line break.
func (h *Host) HostKey() string { return strings.TrimSpace(h.machine.publicHostKey()) }

// Directory is the folder of this machine that stands for HostSpec.Directory.
func (h *Host) Directory() string { return filepath.Join(h.machine.root(), h.spec.Directory) }

// PowerOff ends everything that runs on the node. Its folder stays until Close of its Machines.
func (h *Host) PowerOff() error { return h.machines.stop(h.machine) }
