package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"labctl/cloudinit"
	"labctl/pkg/pvesim"
	"labctl/pkg/pvesim/gateway"
	"labctl/pkg/pvesim/guesthost"
	"labctl/pkg/pvesim/guestqemu"
)

// guests is what is behind the emulated server: its own node, and its VMs.
type guests struct {
	host   *guesthost.Machines // the node, and the VMs unless they are virtual machines
	vms    *guestqemu.Machines // nil: VMs are processes
	all    pvesim.Guests
	routes []gateway.Route

	dir    string
	kvm    bool
	noKVM  string // why not
	diskMB int64  // MiB of the template's disk; 0: as it is
}

func newGuests(ctx context.Context, options Options) (*guests, error) {
	host, err := guesthost.New(guesthost.Options{Dir: guestsPath(options.Dir), AgentAfter: 200 * time.Millisecond, Logger: options.Logger})
	if err != nil {
		return nil, err
	}
	g := &guests{host: host, all: host, routes: []gateway.Route{host.Route}, dir: options.Dir}
	if options.Image == nil {
		return g, nil
	}
	if g.kvm, g.noKVM = guestqemu.HasKVM(ctx); !g.kvm {
		options.Logger.Info("virtual machines are emulated, without KVM", "why", g.noKVM)
	}
	g.vms, err = guestqemu.New(guestqemu.Options{
		Dir: machinesPath(options.Dir), Image: *options.Image, KVM: g.kvm, Logger: options.Logger,
	})
	if err != nil {
		return nil, errors.Join(err, host.Close())
	}
	g.all, g.routes = g.vms, append(g.routes, g.vms.Route)
	g.diskMB = (options.Image.VirtualBytes + 1<<20 - 1) >> 20
	return g, nil
}

// snippetsPath is the folder whose files are the snippets of the storage local when the sandbox starts.
func snippetsPath(dir string) string { return filepath.Join(dir, "snippets") }

// addSnippets puts snippets on the storage local: the one that ships with labctl, and the user's.
func addSnippets(dir string, topology *pvesim.Topology) error {
	files := []pvesim.FileSpec{{Name: "labctl.yaml", Text: cloudinit.VendorData}}
	entries, err := os.ReadDir(snippetsPath(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the sandbox's snippets: %w", err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(snippetsPath(dir), entry.Name()))
		if err != nil {
			return fmt.Errorf("reading the sandbox's snippets: %w", err)
		}
		files = append(files, pvesim.FileSpec{Name: entry.Name(), Text: string(text)})
	}
	for i, storage := range topology.Storages {
		if storage.Name != "local" {
			continue
		}
		for _, file := range files {
			file.Content, file.SizeBytes = "snippets", int64(len(file.Text))
			topology.Storages[i].Files = append(topology.Storages[i].Files, file)
		}
	}
	return nil
}

// fit gives the template the size of what is on it.
func (g *guests) fit(topology *pvesim.Topology) {
	for i := range topology.Templates {
		if g.diskMB > 0 {
			topology.Templates[i].DiskMiB = g.diskMB
		}
	}
}

// describe tells others what the VMs are.
func (g *guests) describe(info *Info) {
	info.Guests = GuestProcesses
	if g.vms != nil {
		info.Guests, info.KVM, info.NoKVM, info.Machines = GuestQEMU, g.kvm, g.noKVM, machinesPath(g.dir)
	}
}

func (g *guests) close() error {
	var err error
	if g.vms != nil {
		err = g.vms.Close()
	}
	return errors.Join(err, g.host.Close())
}

// ConsolePath is where the serial console of a VM is kept; it goes with the VM. VMs that are processes have none.
func (i Info) ConsolePath(vmid int) (path string, ok bool) {
	if i.Machines == "" {
		return "", false
	}
	return guestqemu.ConsolePath(i.Machines, vmid), true
}

func machinesPath(dir string) string { return filepath.Join(dir, "machines") }
