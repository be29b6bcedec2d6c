package pve

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// VMID is the number of a VM or container, unique in the cluster, 100 to 999999999.
type VMID int

// String returns the number.
func (id VMID) String() string { return strconv.Itoa(int(id)) }

// VMRef names a VM by the node that runs it and its VMID.
type VMRef struct {
	Node string
	ID   VMID
}

// String returns "VM 101 on node pve".
func (r VMRef) String() string { return fmt.Sprintf("VM %d on node %s", r.ID, r.Node) }

// path returns the API path of something of the VM.
func (r VMRef) path(suffix string) string { return qemuPath(r.Node) + "/" + r.ID.String() + suffix }

// qemuPath returns the API path of a node's VMs.
func qemuPath(node string) string { return "/nodes/" + url.PathEscape(node) + "/qemu" }

// CloneRequest says what to clone and how the clone is to be marked.
type CloneRequest struct {
	// Source is the VM or template to clone.
	Source VMRef
	// NewID is the clone's VMID.
	NewID VMID
	// Name is the clone's name, a DNS name; "" makes PVE think of one.
	Name string
	// Pool is the pool that the clone enters with its last step; without it the
	// token needs rights on the new VMID itself.
	Pool string
	// Description is in the clone's config from its first write on. When it is
	// empty the clone has the template's.
	Description string
	// Full copies all disks instead of linking to the template's.
	Full bool
	// Storage is where a full clone's disks go; PVE refuses it for linked clones.
	Storage string
	// Target is the node that the clone is to be on; "" is the source's. Another one needs all disks on shared storage.
	Target string
}

// Clone begins to clone a VM. The task is filed under the source's VMID. Tags,
// onboot, protection and everything else of the config come from the source.
func (c *Client) Clone(ctx context.Context, r CloneRequest) (UPID, error) {
	params := []Param{{"newid", r.NewID.String()}, {"full", formatBool(r.Full)}}
	params = optional(params, "name", r.Name)
	params = optional(params, "pool", r.Pool)
	params = optional(params, "description", r.Description)
	params = optional(params, "storage", r.Storage)
	params = optional(params, "target", r.Target)
	return c.begin(ctx, http.MethodPost, r.Source.path("/clone"), params...)
}

// EmptyVM is a VM without disks, to be made by CreateEmptyVM.
type EmptyVM struct {
	VMRef
	Pool, Name, Description string
}

// CreateEmptyVM begins to make a VM without disks. Unlike a clone it claims the
// VMID before it answers: of two callers one gets ErrVMIDTaken. With the VM in
// the pool the token sees, and with Destroy removes, the volumes that an
// earlier VM with that VMID left behind.
func (c *Client) CreateEmptyVM(ctx context.Context, vm EmptyVM) (UPID, error) {
	return c.begin(ctx, http.MethodPost, qemuPath(vm.Node), vm.params()...)
}

func (vm EmptyVM) params() []Param {
	params := []Param{{"vmid", vm.ID.String()}}
	params = optional(params, "pool", vm.Pool)
	params = optional(params, "name", vm.Name)
	return optional(params, "description", vm.Description)
}

// Resize begins to grow a disk, such as "scsi0", to a size in bytes. The same
// size does nothing; a smaller one fails the task.
func (c *Client) Resize(ctx context.Context, ref VMRef, disk string, sizeBytes int64) (UPID, error) {
	return c.begin(ctx, http.MethodPut, ref.path("/resize"),
		Param{"disk", disk}, Param{"size", formatSize(sizeBytes)})
}

// Start begins to start a VM. When it runs already the task fails with ErrVMRunning.
func (c *Client) Start(ctx context.Context, ref VMRef) (UPID, error) {
	return c.begin(ctx, http.MethodPost, ref.path("/status/start"))
}

// Stop begins to stop a VM at once, as by pulling its plug. It succeeds when the VM is off already.
func (c *Client) Stop(ctx context.Context, ref VMRef) (UPID, error) {
	return c.begin(ctx, http.MethodPost, ref.path("/status/stop"))
}

// Destroy begins to remove a VM, its entries elsewhere, and every volume named
// after its VMID on every storage, whoever uses it: only for VMIDs that are
// surely ours. The task's success does not prove that the volumes are gone; use
// Volumes while an empty VM holds the VMID.
func (c *Client) Destroy(ctx context.Context, ref VMRef) (UPID, error) {
	return c.begin(ctx, http.MethodDelete, ref.path(""),
		Param{"purge", "1"}, Param{"destroy-unreferenced-disks", "1"})
}

// DestroyOnly begins to remove a VM, its entries elsewhere and the disks in its config, and leaves other volumes that
// are named after its VMID.
func (c *Client) DestroyOnly(ctx context.Context, ref VMRef) (UPID, error) {
	return c.begin(ctx, http.MethodDelete, ref.path(""), Param{"purge", "1"})
}

// VMStatus is a VM as it is now.
type VMStatus struct {
	// Status is "running" or "stopped"; a suspended VM is running.
	Status string
	// QMPStatus is QEMU's own word, such as "running", "paused" or "stopped".
	QMPStatus string
	Name      string
	// Lock is the config's lock entry, such as "clone".
	Lock string
	// Uptime is the age of the QEMU process in whole seconds, 0 when off.
	Uptime time.Duration
	// Agent tells that the agent option is on, not that an agent answers.
	Agent bool
	// CPUs is how many the VM has: sockets × cores, at most those of the node, or vcpus when that is set.
	CPUs int
	// MemoryBytes is the memory in bytes.
	MemoryBytes int64
	// HAManaged tells that HA starts and stops the VM, whatever we ask.
	HAManaged bool
}

// Running reports whether the VM has a QEMU process.
func (s VMStatus) Running() bool { return s.Status == "running" }

// VMStatus returns the live status of a VM.
func (c *Client) VMStatus(ctx context.Context, ref VMRef) (VMStatus, error) {
	var w struct {
		Status    wireText `json:"status"`
		QMPStatus wireText `json:"qmpstatus"`
		Name      wireText `json:"name"`
		Lock      wireText `json:"lock"`
		Uptime    wireInt  `json:"uptime"`
		Agent     wireBool `json:"agent"`
		CPUs      wireInt  `json:"cpus"`
		Memory    wireInt  `json:"maxmem"`
		HA        struct {
			Managed wireBool `json:"managed"`
		} `json:"ha"`
	}
	if err := c.get(ctx, ref.path("/status/current"), &w); err != nil {
		return VMStatus{}, err
	}
	return VMStatus{
		Status: string(w.Status), QMPStatus: string(w.QMPStatus), Name: string(w.Name), Lock: string(w.Lock),
		Uptime: time.Duration(w.Uptime) * time.Second, Agent: bool(w.Agent),
		CPUs: int(w.CPUs), MemoryBytes: int64(w.Memory), HAManaged: bool(w.HA.Managed),
	}, nil
}
