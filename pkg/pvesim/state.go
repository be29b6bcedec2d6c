package pvesim

import (
	"maps"
	"slices"
)

// VMState is a VM as it is, seen past the API and its privileges.
type VMState struct {
	ID      int
	Node    string
	Config  map[string]string // as in the configuration file, without what is pending
	Pending map[string]string
	Running bool
	Pool    string
}

// VolumeState is a volume as it is, seen past the API and its privileges.
type VolumeState struct {
	ID        string // storage:volume
	Node      string // whose, on a storage that is not shared; empty for the first node
	VMID      int    // owner by name; 0 for files
	SizeBytes int64
	Content   string
	Parent    string // volume name of the base image of a linked clone
}

// TaskState is a task as it is, seen past the API and its privileges.
type TaskState struct {
	UPID   string
	Type   string
	ID     string
	User   string
	Status string // empty while it runs
	Log    []string
}

// VM returns the state of one VM.
func (c *Cluster) VM(id int) (VMState, bool) {
	c.enter()
	defer c.unlock()
	v, ok := c.vms[id]
	if !ok {
		return VMState{}, false
	}
	return c.vmState(v), true
}

func (c *Cluster) vmState(v *vm) VMState {
	s := VMState{
		ID: v.id, Node: v.node, Config: maps.Clone(v.config), Pending: maps.Clone(v.pending), Running: v.running(),
	}
	if p := c.poolOf(v.path()); p != nil {
		s.Pool = p.name
	}
	return s
}

// VMs returns the states of all VMs by number, templates included.
func (c *Cluster) VMs() []VMState {
	c.enter()
	defer c.unlock()
	var list []VMState
	for _, v := range c.sortedVMs() {
		list = append(list, c.vmState(v))
	}
	return list
}

// Volumes returns all volumes of all storages by name.
func (c *Cluster) Volumes() []VolumeState {
	c.enter()
	defer c.unlock()
	var list []VolumeState
	for _, st := range c.allStorages() {
		for _, v := range st.inOrder() {
			s := VolumeState{ID: v.id(), Node: st.node, VMID: v.vmid, SizeBytes: v.size, Content: v.content}
			if v.base != nil {
				s.Parent = v.base.name
			}
			list = append(list, s)
		}
	}
	return list
}

// Tasks returns all tasks, oldest first.
func (c *Cluster) Tasks() []TaskState {
	c.enter()
	defer c.unlock()
	var list []TaskState
	for _, t := range c.tasks {
		list = append(list, TaskState{
			UPID: t.upid, Type: t.kind, ID: t.id, User: t.owner.String(), Status: t.status, Log: slices.Clone(t.log),
		})
	}
	return list
}
