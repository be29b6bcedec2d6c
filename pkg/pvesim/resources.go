package pvesim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pool is a resource pool.
type pool struct {
	name     string
	comment  string
	vms      []int
	storages []string
}

func (p *pool) add(vmid int) {
	if !slices.Contains(p.vms, vmid) {
		p.vms = append(p.vms, vmid)
	}
}

func (p *pool) remove(vmid int) {
	p.vms = slices.DeleteFunc(p.vms, func(id int) bool { return id == vmid })
}

// statistics is what pvestatd broadcast last: names and states in cluster/resources are that old.
type statistics struct {
	at  time.Time
	vms map[int]vmStatus
}

// publishUntil lets pvestatd do the rounds that fall before the given time. Between two events nothing changes, so
// only the last of them matters.
func (c *Cluster) publishUntil(t time.Time) {
	period := c.timings.Statistics
	if period <= 0 {
		return
	}
	rounds := t.Sub(c.published.at) / period
	if rounds < 1 {
		return
	}
	at := c.published.at.Add(rounds * period)
	now := c.clock
	if at.After(c.clock) {
		c.clock = at
	}
	c.publish()
	c.published.at = at
	if c.clock = now; at.After(now) {
		c.clock = at
	}
}

// publish is one round of pvestatd.
func (c *Cluster) publish() {
	c.published = statistics{at: c.clock, vms: map[int]vmStatus{}}
	for id, v := range c.vms {
		c.published.vms[id] = c.statusOf(v, false)
	}
}

// sortedVMs returns all VMs by number.
func (c *Cluster) sortedVMs() []*vm {
	list := make([]*vm, 0, len(c.vms))
	for _, v := range c.vms {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b *vm) int { return cmp.Compare(a.id, b.id) })
	return list
}

// vmResource is a VM in cluster/resources: what is live, and what pvestatd knew.
type vmResource struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	VMID   int    `json:"vmid"`
	Node   string `json:"node"`
	Status string `json:"status"`
	Pool   string `json:"pool,omitempty"`
	Tags   string `json:"tags,omitempty"`
	Lock   string `json:"lock,omitempty"`
	*vmFigures
}

// vmFigures is the part of a vmResource that comes from pvestatd.
type vmFigures struct {
	Name      string  `json:"name"`
	Template  int     `json:"template"`
	CPU       float64 `json:"cpu"`
	MaxCPU    int     `json:"maxcpu"`
	Mem       int64   `json:"mem"`
	MemHost   *int64  `json:"memhost,omitempty"`
	MaxMem    int64   `json:"maxmem"`
	Disk      int64   `json:"disk"`
	MaxDisk   int64   `json:"maxdisk"`
	DiskRead  int64   `json:"diskread"`
	DiskWrite int64   `json:"diskwrite"`
	NetIn     int64   `json:"netin"`
	NetOut    int64   `json:"netout"`
	Uptime    int64   `json:"uptime"`
}

func (k *call) vmResource(v *vm, withPool bool) vmResource {
	r := vmResource{
		ID: fmt.Sprintf("qemu/%d", v.id), Type: "qemu", VMID: v.id, Node: v.node, Status: "unknown",
		Tags: v.config["tags"], Lock: v.config["lock"],
	}
	if p := k.poolOf(v.path()); p != nil && withPool {
		r.Pool = p.name
	}
	if s, ok := k.published.vms[v.id]; ok {
		r.Status = s.Status
		r.vmFigures = &vmFigures{
			Name: s.Name, Template: s.Template, CPU: s.CPU, MaxCPU: s.CPUs, Mem: s.Mem, MemHost: s.MemHost, MaxMem: s.MaxMem,
			Disk: s.Disk, MaxDisk: s.MaxDisk, NetIn: s.NetIn, NetOut: s.NetOut, Uptime: s.Uptime,
		}
	}
	return r
}

// listResources is GET /cluster/resources.
func listResources(k *call) (any, error) {
	kind := k.params.text("type")
	wanted := func(t string) bool { return kind == "" || kind == t }
	list := []any{}
	if wanted("pool") {
		list = append(list, k.poolResources()...)
	}
	if wanted("vm") {
		for _, v := range k.sortedVMs() {
			if k.canSee(v) {
				list = append(list, k.vmResource(v, true))
			}
		}
	}
	if wanted("node") {
		for _, n := range k.nodes {
			list = append(list, k.nodeResource(n))
		}
	}
	if wanted("storage") {
		list = append(list, k.storageResources()...)
	}
	return list, nil
}

func (k *call) poolResources() []any {
	var list []any
	for _, name := range sortedKeys(k.pools) {
		if k.holds("/pool/"+name, "Pool.Audit") {
			list = append(list, map[string]string{"id": "/pool/" + name, "type": "pool", "pool": name})
		}
	}
	return list
}

type storageResource struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Node       string `json:"node"`
	Storage    string `json:"storage"`
	Status     string `json:"status"`
	PluginType string `json:"plugintype"`
	Content    string `json:"content"`
	Shared     int    `json:"shared"`
	Disk       int64  `json:"disk"`
	MaxDisk    int64  `json:"maxdisk"`
}

func (k *call) storageResources() []any {
	var list []any
	for _, n := range k.nodes {
		for _, s := range k.storagesOn(n.name) {
			name := s.name
			if !s.disabled && k.holds("/storage/"+name, "Datastore.Audit", "Datastore.AllocateSpace") {
				list = append(list, storageResource{
					ID: "storage/" + n.name + "/" + name, Type: "storage", Node: n.name, Storage: name, Status: "available",
					PluginType: s.kind, Content: strings.Join(s.content, ","), Disk: s.used(), MaxDisk: s.totalBytes, Shared: bit(s.shared),
				})
			}
		}
	}
	return list
}

// nextID is GET /cluster/nextid. It reserves nothing, needs no privilege, and tells of every VM whether it exists.
func nextID(k *call) (any, error) {
	if k.params.has("vmid") {
		id := k.vmid()
		if _, taken := k.vms[id]; taken {
			return nil, badParameter("vmid", "VM %d already exists", id)
		}
		return strconv.Itoa(id), nil
	}
	for id := 100; ; id++ {
		if _, taken := k.vms[id]; !taken {
			return strconv.Itoa(id), nil
		}
	}
}
