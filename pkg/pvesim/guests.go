package pvesim

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/netip"
	"time"
)

// Guests is what started VMs really are. The cluster calls it with its lock held: implementations must not call back
// into the cluster.
type Guests interface {
	// Boot is called when a start takes effect. It must return quickly and do the booting in its own goroutines.
	Boot(GuestSpec) (Guest, error)
	// Discard is called when the VM was destroyed: what was kept for it on this machine can go.
	Discard(vmid int) error
}

// GuestSpec is a VM at the moment of its start, as its own configuration describes it.
type GuestSpec struct {
	VMID      int
	UUID      string // of this VM, stable over restarts (smbios1)
	Name      string
	CIUser    string
	SSHKeys   []string       // authorized_keys lines
	Addresses []netip.Prefix // static addresses of ipconfig0; empty with DHCP
	Gateway   netip.Addr
	Cores     int
	MemoryMiB int64
	Disks     []GuestDisk
	MAC       string    // of net0, upper case
	Started   time.Time // when the start took effect; may lie a little in the past

	Config    map[string]string // the configuration file (qm.conf(5)) as QEMU is started by it
	CloudInit *GuestCloudInit   // nil without a cloud-init drive
	ISOs      []GuestISO        // ISO images in CD drives
}

// GuestCloudInit is what Proxmox VE writes to the cloud-init drive: the files of the NoCloud data source.
type GuestCloudInit struct {
	Slot       string // ide2, ...
	User       string // user-data
	Network    string // network-config
	Meta       string // meta-data
	VendorData string // vendor-data; empty: no such file
}

// GuestISO is an ISO image in a CD drive.
type GuestISO struct {
	Slot    string
	Volume  string // storage:iso/name
	Content []byte // nil when the sandbox does not know it
}

// GuestDisk is one disk of a guest.
type GuestDisk struct {
	Slot      string // scsi0, scsi1, ...
	Volume    string // storage:volume
	SizeBytes int64
	Serial    string            // as the guest sees it; empty: "drive-" and the slot
	Options   map[string]string // cache, discard, ssd, iothread, ...
	System    bool              // it began as the template's disk, with its operating system
	Linked    bool              // it shares the template's blocks instead of having a copy
}

// Guest is one running guest.
type Guest interface {
	// Agent returns the guest agent, or false while it does not answer.
	Agent() (Agent, bool)
	// PowerOff stops the guest hard and returns when nothing of it runs any more.
	PowerOff() error
}

// Mortal is a Guest that can end by itself, as a real one does that powers itself off or whose process is killed.
type Mortal interface {
	// Ended says whether the guest runs no more.
	Ended() bool
	// PressPowerButton asks the guest's operating system to shut down; Ended tells when it has.
	PressPowerButton() error
}

// Agent is a guest agent that answers.
type Agent interface {
	Interfaces() []AgentInterface
	// ReadFile returns a file of the guest, or an error that is fs.ErrNotExist.
	ReadFile(path string) ([]byte, error)
	OSInfo() AgentOSInfo
}

// RealAgent is an Agent inside of a real operating system: what it says is passed on as it is.
type RealAgent interface {
	Agent
	// Execute sends a command of the guest agent's protocol ("guest-exec") and returns what the answer has as "return".
	// An answer that is an error becomes an *AgentError.
	Execute(ctx context.Context, command string, arguments any) (json.RawMessage, error)
}

// AgentError is a guest agent's own error.
type AgentError struct{ Description string }

// Error is the agent's description.
func (e *AgentError) Error() string { return e.Description }

// AgentInterface is a network interface as the guest sees it.
type AgentInterface struct {
	Name      string
	MAC       string
	Addresses []netip.Prefix
}

// AgentOSInfo is what the agent says about the guest's operating system; the fields are those of guest-get-osinfo.
type AgentOSInfo struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	PrettyName    string `json:"pretty-name"`
	Version       string `json:"version"`
	VersionID     string `json:"version-id"`
	KernelRelease string `json:"kernel-release"`
	KernelVersion string `json:"kernel-version"`
	Machine       string `json:"machine"`
}

// NoGuests pretends: no guest runs, but its agent answers some time after the start.
type NoGuests struct {
	AgentAfter time.Duration
	Files      map[string][]byte // what agent file-read finds, in every guest
}

// Boot implements Guests.
func (g NoGuests) Boot(spec GuestSpec) (Guest, error) { return pretended{g, spec}, nil }

// Discard implements Guests.
func (NoGuests) Discard(int) error { return nil }

// pretended is a guest of NoGuests, and its own agent.
type pretended struct {
	all  NoGuests
	spec GuestSpec
}

// Agent implements Guest.
func (p pretended) Agent() (Agent, bool) {
	return p, time.Since(p.spec.Started) >= p.all.AgentAfter
}

// PowerOff implements Guest.
func (pretended) PowerOff() error { return nil }

// Interfaces implements Agent.
func (p pretended) Interfaces() []AgentInterface {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}
	return []AgentInterface{
		{Name: "lo", MAC: "00:00:00:00:00:00", Addresses: loopback},
		{Name: "eth0", MAC: p.spec.MAC, Addresses: p.spec.Addresses},
	}
}

// ReadFile implements Agent.
func (p pretended) ReadFile(path string) ([]byte, error) {
	content, ok := p.all.Files[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return content, nil
}

// OSInfo implements Agent.
func (pretended) OSInfo() AgentOSInfo {
	return AgentOSInfo{
		ID: "ubuntu", Name: "Ubuntu", PrettyName: "Ubuntu 22.04.5 LTS", Version: "22.04.5 LTS (Jammy Jellyfish)",
		VersionID: "22.04", KernelRelease: "5.15.0-133-generic", KernelVersion: "#144-Ubuntu SMP", Machine: "x86_64",
	}
}
