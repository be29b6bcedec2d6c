package labspec

// APIVersion is the version of the file format that this package reads, the value of the key apiVersion.
const APIVersion = "labctl/v1"

// Lab is what one lab file describes, with defaults applied: the VMs and their disks, the host as a target, the suite.
type Lab struct {
	APIVersion  string
	Name        string // DNS label; part of the name of every VM on PVE
	Description string
	Node        string   // PVE node that the VMs are created on, unless they or Spread say otherwise
	Spread      []string // nodes that the VMs without a node of their own are dealt out to, in turn
	Pool        string   // PVE resource pool that holds everything labctl creates
	Template    Template
	Clone       CloneMode
	VMIDs       VMIDRange
	User        string // account that cloud-init creates in the guests
	CloudInit   CloudInit
	Network     Network
	VMs         []VM
	Host        *Host // nil: the PVE host is not measured
	Suite       Suite
}

// Targets returns the names of the machines to measure, in the order of a fixed suite: the host if there is one, then
// the VMs as they stand in the file.
func (l *Lab) Targets() []string {
	names := make([]string, 0, len(l.VMs)+1)
	if l.Host != nil {
		names = append(names, l.Host.Name)
	}
	for _, vm := range l.VMs {
		names = append(names, vm.Name)
	}
	return names
}

// CloneMode says how the OS disk comes into being.
type CloneMode string

// The ways to clone a template.
const (
	CloneLinked CloneMode = "linked" // shares the template's blocks: seconds
	CloneFull   CloneMode = "full"   // copies them: minutes, independent of the template
)

// VMIDRange is the range of VMIDs, both ends included, that labctl may use for the VMs of the lab.
type VMIDRange struct{ First, Last int }

// Len returns how many VMIDs the range has.
func (r VMIDRange) Len() int { return r.Last - r.First + 1 }

// Contains reports whether id lies in the range.
func (r VMIDRange) Contains(id int) bool { return r.First <= id && id <= r.Last }
