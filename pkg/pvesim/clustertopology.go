package pvesim

import (
	"fmt"
	"net/netip"
)

// ClusterTopology is SandboxTopology with three nodes, pve, pve2 and pve3, whose storages are local: each node has its own
// zfs and local. Node pve2 has a copy of the template as 9002, node pve3 as 9003; the token may clone them. The storage
// "shared" is one that all nodes see.
func ClusterTopology(major int) Topology {
	t := SandboxTopology(major)
	for i := 2; i <= 3; i++ {
		node := t.Nodes[0]
		node.Name, node.Address = fmt.Sprintf("%s%d", SandboxNode, i), netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 10, 10, byte(i)}), 24)
		t.Nodes = append(t.Nodes, node)
		copied := t.Templates[0]
		copied.VMID, copied.Node = SandboxTemplate+i, node.Name
		t.Templates = append(t.Templates, copied)
	}
	t.Storages = append(t.Storages, StorageSpec{
		Name: "shared", Type: "dir", Path: "/mnt/shared", Shared: true, Content: []string{"images", "import"}, TotalBytes: 900 << 30,
	})
	for _, who := range []string{"labctl@pve", SandboxTokenID} {
		for _, path := range []string{"/vms/9002", "/vms/9003"} {
			t.Grants = append(t.Grants, GrantSpec{Path: path, Who: who, Role: "PVETemplateUser", Propagate: true})
		}
		for _, node := range t.Nodes[1:] {
			t.Grants = append(t.Grants, GrantSpec{Path: "/nodes/" + node.Name, Who: who, Role: "LabctlNetwork", Propagate: true})
		}
		t.Grants = append(t.Grants, GrantSpec{Path: "/storage/shared", Who: who, Role: "LabctlStore", Propagate: true})
	}
	return t
}
