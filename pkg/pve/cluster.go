package pve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Version is the server's software.
type Version struct {
	// Release is the major and minor number, such as "9.2".
	Release string
	// Version is the full number of pve-manager, such as "9.2.11".
	Version string
	// RepoID is the commit that was built.
	RepoID string
	// Major is the number before Release's dot.
	Major int
	// Date is when the server answered by its own clock, to the second; zero when it did not say.
	Date time.Time
}

// AtLeast reports whether the release is that one or a later one. One that cannot be read is not.
func (v Version) AtLeast(major, minor int) bool {
	var is [2]int
	if n, err := fmt.Sscanf(v.Release, "%d.%d", &is[0], &is[1]); n != 2 || err != nil {
		return v.Major > major
	}
	return is[0] > major || is[0] == major && is[1] >= minor
}

// Version returns the server's version. Any valid token may ask.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var w struct {
		Release wireText `json:"release"`
		Version wireText `json:"version"`
		RepoID  wireText `json:"repoid"`
	}
	a, err := c.exchange(ctx, call{method: http.MethodGet, path: "/version", readOnly: true}, &w)
	if err != nil {
		return Version{}, err
	}
	v := Version{Release: string(w.Release), Version: string(w.Version), RepoID: string(w.RepoID), Date: a.date}
	major, _, _ := strings.Cut(v.Version, ".")
	if v.Major, err = strconv.Atoi(major); err != nil {
		return v, fmt.Errorf("reading server version %q: %w", v.Version, err)
	}
	return v, nil
}

// Node is a server of the cluster.
type Node struct {
	// Name is the node's name.
	Name string
	// Status is "online", "offline", or "unknown" when pvestatd has not reported yet.
	Status string
	// Fingerprint is the SHA-256 fingerprint of the node's certificate.
	Fingerprint string
	// CPUs is how many the node has; nil when the token may not see it (Sys.Audit on the node) or pvestatd has not reported.
	CPUs *int
}

// Nodes lists the cluster's nodes, sorted by name.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	var w []struct {
		Node        wireText `json:"node"`
		Status      wireText `json:"status"`
		Fingerprint wireText `json:"ssl_fingerprint"`
		CPUs        wireInt  `json:"maxcpu"`
	}
	if err := c.get(ctx, "/nodes", &w); err != nil {
		return nil, err
	}
	nodes := make([]Node, 0, len(w))
	for _, n := range w {
		node := Node{Name: string(n.Node), Status: string(n.Status), Fingerprint: string(n.Fingerprint)}
		if n.CPUs > 0 {
			node.CPUs = new(int(n.CPUs))
		}
		nodes = append(nodes, node)
	}
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes, nil
}

// Resource is a VM or container as the cluster's resource list has it. VMID,
// Node, Pool, Lock and Tags are live; Name, Status and Template come from
// pvestatd, may be 10 s old, and for a reused VMID may be those of the VM before.
type Resource struct {
	VMID     VMID
	Type     string // "qemu" or "lxc"
	Node     string
	Name     string
	Status   string
	Pool     string
	Lock     string
	Tags     []string
	Template bool
}

type wireResource struct {
	VMID     wireInt  `json:"vmid"`
	Type     wireText `json:"type"`
	Node     wireText `json:"node"`
	Name     wireText `json:"name"`
	Status   wireText `json:"status"`
	Pool     wireText `json:"pool"`
	Lock     wireText `json:"lock"`
	Tags     wireText `json:"tags"`
	Template wireBool `json:"template"`
	Storage  wireText `json:"storage"`
}

// Resources lists the VMs and containers that the token may audit, sorted by
// VMID. Others are left out silently.
func (c *Client) Resources(ctx context.Context) ([]Resource, error) {
	var w []wireResource
	if err := c.get(ctx, "/cluster/resources", &w, Param{"type", "vm"}); err != nil {
		return nil, err
	}
	resources := make([]Resource, 0, len(w))
	for _, r := range w {
		resources = append(resources, Resource{
			VMID: VMID(r.VMID), Type: string(r.Type), Node: string(r.Node), Name: string(r.Name), Status: string(r.Status),
			Pool: string(r.Pool), Lock: string(r.Lock), Tags: splitList(string(r.Tags)), Template: bool(r.Template),
		})
	}
	slices.SortFunc(resources, func(a, b Resource) int { return int(a.VMID) - int(b.VMID) })
	return resources, nil
}

// VMIDTaken reports whether any VM or container of the cluster has the VMID,
// also one the token may not see. It needs no privilege. Nothing is reserved,
// and a clone shows only a moment after its task began.
func (c *Client) VMIDTaken(ctx context.Context, id VMID) (bool, error) {
	err := c.get(ctx, "/cluster/nextid", nil, Param{"vmid", id.String()})
	if errors.Is(err, ErrVMIDTaken) {
		return true, nil
	}
	return false, err
}

// Permissions returns, per ACL path, the sorted privileges that the token
// holds in effect: with privilege separation those its user holds too. An empty
// path asks for all paths with grants; a path without rights has an empty list.
func (c *Client) Permissions(ctx context.Context, path string) (map[string][]string, error) {
	// The values are the propagate flags, 0 for privileges a VM has from its pool: presence counts.
	var w map[string]map[string]wireText
	if err := c.get(ctx, "/access/permissions", &w, optional(nil, "path", path)...); err != nil {
		return nil, err
	}
	held := make(map[string][]string, len(w))
	for p, privileges := range w {
		held[p] = slices.Sorted(maps.Keys(privileges))
	}
	return held, nil
}

// Pool is a resource pool.
type Pool struct{ ID, Comment string }

// Pools lists the pools that the token may audit, sorted by ID.
func (c *Client) Pools(ctx context.Context) ([]Pool, error) {
	var w []struct {
		ID      wireText `json:"poolid"`
		Comment wireText `json:"comment"`
	}
	if err := c.get(ctx, "/pools", &w); err != nil {
		return nil, err
	}
	pools := make([]Pool, 0, len(w))
	for _, p := range w {
		pools = append(pools, Pool{ID: string(p.ID), Comment: string(p.Comment)})
	}
	slices.SortFunc(pools, func(a, b Pool) int { return strings.Compare(a.ID, b.ID) })
	return pools, nil
}

// PoolMember is a VM, container or storage in a pool.
type PoolMember struct {
	// Type is "qemu", "lxc" or "storage".
	Type string
	Node string
	// VMID and Name are set for VMs and containers; Name may lag by 10 s.
	VMID VMID
	Name string
	// Storage is set for storages.
	Storage string
}

// PoolMembers lists what is in a pool: VMs first by VMID, then storages by name.
// A clone enters its pool with its very last step.
func (c *Client) PoolMembers(ctx context.Context, pool string) ([]PoolMember, error) {
	var w struct {
		Members []wireResource `json:"members"`
	}
	if err := c.get(ctx, "/pools/"+url.PathEscape(pool), &w); err != nil {
		return nil, err
	}
	members := make([]PoolMember, 0, len(w.Members))
	for _, m := range w.Members {
		members = append(members, PoolMember{
			Type: string(m.Type), Node: string(m.Node), VMID: VMID(m.VMID), Name: string(m.Name), Storage: string(m.Storage),
		})
	}
	slices.SortFunc(members, func(a, b PoolMember) int {
		if a.Storage != b.Storage {
			return strings.Compare(a.Storage, b.Storage)
		}
		return int(a.VMID) - int(b.VMID)
	})
	return members, nil
}
