package pvesim

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// node is one host of the cluster.
type node struct {
	name        string
	address     netip.Prefix
	bridges     []string
	cpus        int
	memory      int64
	fingerprint string
	offline     bool
}

func newNode(s NodeSpec) *node {
	return &node{
		name: s.Name, address: s.Address, bridges: s.Bridges, cpus: max(s.CPUs, 1), memory: max(s.MemoryBytes, 1<<30),
		fingerprint: s.TLSFingerprint, offline: s.Offline,
	}
}

func (c *Cluster) nodeNamed(name string) (*node, bool) {
	i := slices.IndexFunc(c.nodes, func(n *node) bool { return n.name == name })
	if i < 0 {
		return nil, false
	}
	return c.nodes[i], true
}

// release returns the version as /version and node status show it.
func (c *Cluster) release() (version, release, repoid string) {
	if c.version != "" {
		major, rest, _ := strings.Cut(c.version, ".")
		minor, _, _ := strings.Cut(strings.ReplaceAll(rest, "-", "."), ".")
		return c.version, major + "." + minor, "0000000000000000"
	}
	if c.major == 8 {
		return "8.4.21", "8.4", "2606ac850d46da29"
	}
	return "9.2.11", "9.2", "4f1c8ab7de1f5a3c"
}

// getRoot is GET /, the directory of the API.
func getRoot(*call) (any, error) {
	var list []map[string]string
	for _, name := range []string{"version", "cluster", "nodes", "storage", "access", "pools"} {
		list = append(list, map[string]string{"subdir": name})
	}
	return list, nil
}

// getVersion is GET /version.
func getVersion(k *call) (any, error) {
	version, release, repoid := k.release()
	return map[string]string{"version": version, "release": release, "repoid": repoid}, nil
}

type nodeResource struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Node   string `json:"node"`
	Status string `json:"status"`
	Level  string `json:"level"`
	*nodeFigures
	Fingerprint string `json:"ssl_fingerprint,omitempty"`
	CgroupMode  int    `json:"cgroup-mode,omitempty"`
}

type nodeFigures struct {
	CPU     float64 `json:"cpu"`
	MaxCPU  int     `json:"maxcpu"`
	Mem     int64   `json:"mem"`
	MaxMem  int64   `json:"maxmem"`
	Disk    int64   `json:"disk"`
	MaxDisk int64   `json:"maxdisk"`
	Uptime  int64   `json:"uptime"`
}

// nodeResource is a node in lists; its figures need a privilege.
func (k *call) nodeResource(n *node) nodeResource {
	r := nodeResource{ID: "node/" + n.name, Type: "node", Node: n.name, Status: "online", CgroupMode: 1}
	if n.offline {
		r.Status = "offline"
	}
	if k.holds("/nodes/"+n.name, "Sys.Audit") {
		r.nodeFigures = &nodeFigures{
			CPU: 0.05, MaxCPU: n.cpus, Mem: k.usedMemory(n), MaxMem: n.memory, Disk: 8 << 30, MaxDisk: 64 << 30,
			Uptime: int64(k.clock.Sub(k.booted).Seconds()),
		}
	}
	return r
}

// usedMemory is what the host itself and its running VMs take.
func (c *Cluster) usedMemory(n *node) int64 {
	used := int64(1 << 30)
	for _, v := range c.vms {
		if v.node == n.name && v.running() {
			used += v.memory()
		}
	}
	return min(used, n.memory)
}

// listNodes is GET /nodes.
func listNodes(k *call) (any, error) {
	list := []nodeResource{}
	for _, n := range k.nodes {
		r := k.nodeResource(n)
		r.Fingerprint, r.CgroupMode = n.fingerprint, 0
		list = append(list, r)
	}
	return list, nil
}

type nodeStatus struct {
	BootInfo      map[string]string `json:"boot-info"`
	CPU           float64           `json:"cpu"`
	CPUInfo       cpuInfo           `json:"cpuinfo"`
	CurrentKernel map[string]string `json:"current-kernel"`
	Idle          int               `json:"idle"`
	KSM           map[string]int    `json:"ksm"`
	Kversion      string            `json:"kversion"`
	Loadavg       []string          `json:"loadavg"`
	Memory        map[string]int64  `json:"memory"`
	PVEVersion    string            `json:"pveversion"`
	RootFS        map[string]int64  `json:"rootfs"`
	Swap          map[string]int64  `json:"swap"`
	Uptime        int64             `json:"uptime"`
	Wait          float64           `json:"wait"`
}

type cpuInfo struct {
	Cores   int    `json:"cores"`
	CPUs    int    `json:"cpus"`
	Flags   string `json:"flags"`
	HVM     string `json:"hvm"`
	MHz     string `json:"mhz"`
	Model   string `json:"model"`
	Sockets int    `json:"sockets"`
	UserHz  int    `json:"user_hz"`
	Family  string `json:"family,omitempty"`
	Vendor  string `json:"vendor,omitempty"`
}

// getNodeStatus is GET /nodes/{node}/status.
func getNodeStatus(k *call) (any, error) {
	n, ok := k.nodeNamed(k.node())
	if !ok {
		return nil, k.checkNode(k)
	}
	version, _, repoid := k.release()
	kernel := map[string]string{"sysname": "Linux", "release": "6.8.12-4-pve", "version": "#1 SMP PREEMPT_DYNAMIC", "machine": "x86_64"}
	used := k.usedMemory(n)
	s := nodeStatus{
		BootInfo: map[string]string{"mode": "legacy-bios"}, CurrentKernel: kernel,
		CPUInfo:  cpuInfo{Cores: n.cpus, CPUs: n.cpus, Flags: "fpu sse2 ht", HVM: "1", MHz: "3000.000", Model: "Simulated CPU", Sockets: 1, UserHz: 100},
		KSM:      map[string]int{"shared": 0},
		Kversion: strings.Join([]string{kernel["sysname"], kernel["release"], kernel["version"]}, " "),
		Loadavg:  []string{"0.10", "0.10", "0.10"},
		Memory:   map[string]int64{"total": n.memory, "used": used, "free": n.memory - used},
		RootFS:   map[string]int64{"total": 64 << 30, "used": 8 << 30, "avail": 56 << 30, "free": 56 << 30},
		Swap:     map[string]int64{"total": 0, "used": 0, "free": 0}, Uptime: int64(k.clock.Sub(k.booted).Seconds()),
		PVEVersion: fmt.Sprintf("pve-manager/%s/%s", version, repoid),
	}
	if k.major >= 9 {
		s.Memory["available"] = n.memory - used
		s.CPUInfo.Family, s.CPUInfo.Vendor = "25", "Simulated"
	}
	return s, nil
}

type iface struct {
	Name        string   `json:"iface"`
	Type        string   `json:"type"`
	Active      int      `json:"active"`
	Exists      int      `json:"exists,omitempty"`
	Autostart   int      `json:"autostart,omitempty"`
	Method      string   `json:"method"`
	Method6     string   `json:"method6"`
	Families    []string `json:"families"`
	Priority    int      `json:"priority,omitempty"`
	Address     string   `json:"address,omitempty"`
	Netmask     string   `json:"netmask,omitempty"`
	CIDR        string   `json:"cidr,omitempty"`
	BridgePorts *string  `json:"bridge_ports,omitempty"`
	BridgeFD    string   `json:"bridge_fd,omitempty"`
	BridgeSTP   string   `json:"bridge_stp,omitempty"`
}

// listNetwork is GET /nodes/{node}/network: bridges are filtered by privilege when only they are asked for.
func listNetwork(k *call) (any, error) {
	n, ok := k.nodeNamed(k.node())
	if !ok {
		return nil, k.checkNode(k)
	}
	list := []iface{}
	kind := k.params.text("type")
	if kind == "" || kind == "eth" {
		list = append(list, iface{
			Name: "eth0", Type: "eth", Active: 1, Exists: 1, Method: "manual", Method6: "manual", Families: []string{"inet"},
		})
	}
	for i, name := range n.bridges {
		if kind != "" && kind != "bridge" && kind != "any_bridge" && kind != "any_local_bridge" {
			continue
		}
		path := "/sdn/zones/localnetwork/" + name
		if kind != "" && !k.holds(path, "SDN.Audit", "SDN.Use") {
			continue
		}
		b := iface{
			Name: name, Type: "bridge", Active: 1, Autostart: 1, Method: "manual", Method6: "manual",
			Families: []string{"inet"}, Priority: 3 + i, BridgePorts: new(string), BridgeFD: "0", BridgeSTP: "off",
		}
		if i == 0 && n.address.IsValid() {
			b.Method, b.Address, b.CIDR = "static", n.address.Addr().String(), n.address.String()
			b.Netmask = fmt.Sprint(n.address.Bits())
		}
		list = append(list, b)
	}
	return list, nil
}

type clusterMember struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Name   string `json:"name"`
	NodeID int    `json:"nodeid"`
	Online int    `json:"online"`
	Local  int    `json:"local"`
	Level  string `json:"level"`
	IP     string `json:"ip,omitempty"`
}

// getClusterStatus is GET /cluster/status.
func getClusterStatus(k *call) (any, error) {
	list := []clusterMember{}
	for i, n := range k.nodes {
		m := clusterMember{ID: "node/" + n.name, Type: "node", Name: n.name, NodeID: i, Online: 1, Local: bit(i == 0)}
		if n.address.IsValid() {
			m.IP = n.address.Addr().String()
		}
		list = append(list, m)
	}
	return list, nil
}
