package pve

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

// Storage is a storage as one node sees it.
type Storage struct {
	Name string
	// Type is the plugin, such as "zfspool" or "dir".
	Type string
	// Content is what it may hold, such as "images"; sorted.
	Content []string
	// Active is false for a storage that does not answer; its sizes are then 0.
	Active, Enabled, Shared bool
	// TotalBytes, AvailBytes and UsedBytes are sizes in bytes.
	TotalBytes, AvailBytes, UsedBytes int64
}

// Storages lists the storages of a node that the token may use or audit, sorted
// by name. A storage that hangs makes this take 20 s.
func (c *Client) Storages(ctx context.Context, node string) ([]Storage, error) {
	var w []struct {
		Name    wireText `json:"storage"`
		Type    wireText `json:"type"`
		Content wireText `json:"content"`
		Active  wireBool `json:"active"`
		Enabled wireBool `json:"enabled"`
		Shared  wireBool `json:"shared"`
		Total   wireInt  `json:"total"`
		Avail   wireInt  `json:"avail"`
		Used    wireInt  `json:"used"`
	}
	if err := c.get(ctx, "/nodes/"+url.PathEscape(node)+"/storage", &w); err != nil {
		return nil, err
	}
	storages := make([]Storage, 0, len(w))
	for _, s := range w {
		content := splitList(string(s.Content))
		slices.Sort(content)
		storages = append(storages, Storage{
			Name: string(s.Name), Type: string(s.Type), Content: content,
			Active: bool(s.Active), Enabled: bool(s.Enabled), Shared: bool(s.Shared),
			TotalBytes: int64(s.Total), AvailBytes: int64(s.Avail), UsedBytes: int64(s.Used),
		})
	}
	slices.SortFunc(storages, func(a, b Storage) int { return strings.Compare(a.Name, b.Name) })
	return storages, nil
}

// Volume is something stored on a storage.
type Volume struct {
	// ID is the volume ID, such as "zfs:base-9000-disk-0/vm-101-disk-0".
	ID string
	// Content is what it is: "images", "iso", "import" and others.
	Content string
	// Format is "raw", "qcow2" and others.
	Format string
	// Parent is what a linked clone's volume depends on, such as "base-9000-disk-0@__base__".
	Parent string
	// SizeBytes is the size in bytes.
	SizeBytes int64
	// VMID is the VM after which the volume is named, 0 for none.
	VMID VMID
}

// Volumes lists the volumes of a storage, or with an owner only those named
// after that VMID, sorted by ID. PVE leaves out without a word what the token
// may not see: a VM's volumes show only with Datastore.Audit on the storage and
// VM.Config.Disk on the VM, so without a VM of that VMID an empty list proves nothing.
func (c *Client) Volumes(ctx context.Context, node, storage string, owner VMID) ([]Volume, error) {
	var params []Param
	if owner != 0 {
		params = append(params, Param{"vmid", owner.String()})
	}
	var w []struct {
		ID      wireText `json:"volid"`
		Content wireText `json:"content"`
		Format  wireText `json:"format"`
		Parent  wireText `json:"parent"`
		Size    wireInt  `json:"size"`
		VMID    wireInt  `json:"vmid"`
	}
	path := storagePath(node, storage) + "/content"
	if err := c.get(ctx, path, &w, params...); err != nil {
		return nil, err
	}
	volumes := make([]Volume, 0, len(w))
	for _, v := range w {
		if owner != 0 && VMID(v.VMID) != owner {
			continue // PVE adds what has no owner, such as ISO images
		}
		volumes = append(volumes, Volume{
			ID: string(v.ID), Content: string(v.Content), Format: string(v.Format), Parent: string(v.Parent),
			SizeBytes: int64(v.Size), VMID: VMID(v.VMID),
		})
	}
	slices.SortFunc(volumes, func(a, b Volume) int { return strings.Compare(a.ID, b.ID) })
	return volumes, nil
}
