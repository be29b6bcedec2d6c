package pvesim

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Topology is what exists before the first request.
type Topology struct {
	Major     int           // 8 or 9: the major version of Proxmox VE that is played
	Version   string        // full version that is told, for example 7.4-19; empty is that of the recorded server
	ClockSkew time.Duration // how far the server's clock is ahead
	HAManaged []int         // VMs that HA starts and stops
	Nodes     []NodeSpec
	Storages  []StorageSpec
	Pools     []string
	Templates []TemplateSpec
	VMs       []VMSpec // VMs that were there before, for example somebody else's
	Roles     []RoleSpec
	Users     []UserSpec
	Grants    []GrantSpec
	Downloads map[string]FileSpec // what download-url finds, by address; everything else refuses the connection
	Timings   Timings
}

// NodeSpec is one node of the cluster.
type NodeSpec struct {
	Name           string
	Address        netip.Prefix // of its first bridge; may be zero
	Bridges        []string
	CPUs           int
	MemoryBytes    int64
	TLSFingerprint string // as GET /nodes shows it; empty until Serve has a certificate
	Offline        bool   // listed, and whatever is to be proxied to it gets 595
}

// StorageSpec is one storage definition. On every node that has it, it holds other volumes, unless it is shared.
type StorageSpec struct {
	Name       string
	Type       string   // dir or zfspool
	Content    []string // images, rootdir, iso, vztmpl, import, snippets, backup
	Path       string   // dir: its directory
	Dataset    string   // zfspool: pool or dataset
	Sparse     bool     // zfspool: thin volumes
	BlockSize  string   // zfspool: volblocksize, for example 64k; empty is ZFS's default
	TotalBytes int64
	OtherBytes int64 // taken by what is not a volume of the storage
	Disabled   bool  // switched off by the administrator
	Inactive   bool  // does not answer, such as a pool that is not imported
	Files      []FileSpec
	Orphans    []OrphanSpec
	Shared     bool     // all nodes see the same volumes
	Nodes      []string // that have it; empty: all
}

// OrphanSpec is a disk whose VM is gone.
type OrphanSpec struct {
	VMID      int
	Name      string // such as vm-9100-disk-0
	SizeBytes int64  // in whole MiB
}

// FileSpec is a file that lies on a directory storage: an ISO, a snippet, an importable image.
type FileSpec struct {
	Content   string // iso, vztmpl, import or snippets
	Name      string
	SizeBytes int64
	// VirtualBytes is the size of the disk inside an importable image.
	VirtualBytes int64
	// SHA256 is what a checksum of the file yields, in hex. A file without one passes every check.
	SHA256 string
	// Text is what a small file holds, such as a snippet; it counts only for guests that can read it.
	Text string
}

// TemplateSpec is a VM template with one base disk and a cloud-init drive.
type TemplateSpec struct {
	VMID     int
	Name     string
	Node     string // empty: the first node
	Storage  string
	DiskMiB  int64
	Bridge   string
	Config   map[string]string // further configuration keys, as in the VM's config file; an empty value leaves a key out
	DiskOpts string            // options of scsi0, for example "discard=on,ssd=1"
}

// VMSpec is an ordinary VM. Disks are written as in a config request, for example "zfs:32,discard=on".
type VMSpec struct {
	VMID    int
	Name    string
	Node    string
	Pool    string
	Config  map[string]string
	Running bool
}

// RoleSpec is a role made by the administrator.
type RoleSpec struct {
	Name       string
	Privileges []string
}

// UserSpec is a user with their API tokens.
type UserSpec struct {
	ID       string // name@realm
	Password string // empty: cannot log in by password
	Disabled bool
	Tokens   []TokenSpec
}

// TokenSpec is an API token of a user.
type TokenSpec struct {
	Name    string // the part behind the exclamation mark
	Secret  string // a UUID
	Privsep bool   // true: it has only what it and its user were both granted
	Expires time.Time
}

// GrantSpec is one line of the access control list.
type GrantSpec struct {
	Path      string
	Who       string // user@realm or user@realm!token
	Role      string
	Propagate bool
}

// build makes the topology real.
func (c *Cluster) build(t Topology) error {
	if len(t.Nodes) == 0 {
		return fmt.Errorf("a cluster needs a node")
	}
	for _, n := range t.Nodes {
		c.nodes = append(c.nodes, newNode(n))
	}
	for _, s := range t.Storages {
		c.buildStorage(s)
	}
	c.downloads, c.version, c.skew = t.Downloads, t.Version, t.ClockSkew
	for _, name := range t.Pools {
		c.pools[name] = &pool{name: name}
	}
	c.access = newAccess(c.major)
	if err := c.access.build(t); err != nil {
		return err
	}
	for _, s := range t.Templates {
		if err := c.buildTemplate(s); err != nil {
			return fmt.Errorf("template %d: %w", s.VMID, err)
		}
	}
	for _, s := range t.VMs {
		if err := c.buildVM(s); err != nil {
			return fmt.Errorf("vm %d: %w", s.VMID, err)
		}
	}
	for _, id := range t.HAManaged {
		v, ok := c.vms[id]
		if !ok {
			return fmt.Errorf("vm %d: HA is to manage it, and it does not exist", id)
		}
		v.byHA = true
	}
	return nil
}

func (c *Cluster) buildTemplate(s TemplateSpec) error {
	v := c.newVM(s.VMID, cmp.Or(s.Node, c.nodes[0].name))
	st, err := c.storageOn(v.node, s.Storage)
	if err != nil {
		return err
	}
	base, err := st.add(fmt.Sprintf("base-%d-disk-0", s.VMID), s.VMID, s.DiskMiB<<20, c.clock)
	if err != nil {
		return err
	}
	base.holdsSystem = true
	cloudinit := &volume{storage: st, name: fmt.Sprintf("vm-%d-cloudinit", s.VMID)}
	if _, other := s.Config["ide2"]; !other {
		if cloudinit, err = st.add(cloudinit.name, s.VMID, cloudinitBytes, c.clock); err != nil {
			return err
		}
	}
	disk := drive{volume: base.id(), options: parseOptions(s.DiskOpts)}
	disk.setSize(base.size)
	v.config = map[string]string{
		"name": s.Name, "template": "1", "agent": "1", "boot": "order=scsi0", "ostype": "l26",
		"scsihw": "virtio-scsi-single", "scsi0": disk.String(), "ide2": cloudinit.id() + ",media=cdrom",
		"serial0": "socket", "vga": "serial0", "cores": "2", "memory": "2048",
		"net0": "virtio=" + c.mac() + ",bridge=" + s.Bridge,
		"meta": c.meta(), "smbios1": "uuid=" + c.uuid(), "vmgenid": c.uuid(),
	}
	for key, value := range s.Config {
		v.config[key] = value
		if value == "" {
			delete(v.config, key)
		}
	}
	c.vms[s.VMID] = v
	return nil
}

func (c *Cluster) buildVM(s VMSpec) error {
	v := c.newVM(s.VMID, cmp.Or(s.Node, c.nodes[0].name))
	v.config = map[string]string{"meta": c.meta(), "smbios1": "uuid=" + c.uuid(), "vmgenid": c.uuid()}
	if s.Name != "" {
		v.config["name"] = s.Name
	}
	for _, key := range sortedKeys(s.Config) {
		value := s.Config[key]
		if isDriveKey(key) {
			made, err := c.buildDisk(v, value)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			value = made
		}
		if isNetKey(key) {
			value = c.normalizeNet(value)
		}
		v.config[key] = value
	}
	c.vms[s.VMID] = v
	if s.Pool != "" {
		p, ok := c.pools[s.Pool]
		if !ok {
			return fmt.Errorf("no pool %q", s.Pool)
		}
		p.add(s.VMID)
	}
	if s.Running {
		v.run(c, nil)
	}
	return nil
}

// buildDisk makes the volume behind "storage:GiB,options" at once, whatever locks there are.
func (c *Cluster) buildDisk(owner *vm, value string) (string, error) {
	d := parseDrive(value)
	name, gib, ok := strings.Cut(d.volume, ":")
	st, unknown := c.storageOn(owner.node, name)
	size, isSize := parseGiB(gib)
	if !ok || unknown != nil || !isSize {
		return value, nil //nolint:nilerr // a volume that exists, or a drive without one
	}
	v, err := st.add(st.freeName(owner.id), owner.id, size, c.clock)
	if err != nil {
		return "", err
	}
	v.holdsSystem = true
	d.volume = v.id()
	d.setSize(size)
	return d.String(), nil
}

// meta is the configuration key by which Proxmox remembers how a VM came into being.
func (c *Cluster) meta() string {
	return fmt.Sprintf("creation-qemu=%s,ctime=%d", qemuVersion(c.major), c.clock.Unix())
}

func qemuVersion(major int) string {
	if major == 8 {
		return "9.2.0"
	}
	return "10.1.2"
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
