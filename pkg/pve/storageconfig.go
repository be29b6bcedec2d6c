package pve

import (
	"context"
	"slices"
	"strings"
)

// StorageConfig is a storage's definition, which holds on every node (/etc/pve/storage.cfg).
type StorageConfig struct {
	Name string
	// Type is the plugin, such as "zfspool" or "dir".
	Type string
	// Content is what it may hold, such as "images"; sorted.
	Content []string
	// Nodes are those that have the storage; empty means all.
	Nodes    []string
	Disabled bool
	// Sparse makes the disks of a zfspool storage thin; without it each reserves its whole size.
	Sparse bool
	// BlockSize is the volblocksize of new disks on a zfspool storage, such as "64k"; "" leaves it to ZFS.
	BlockSize string
}

// StorageConfigs lists the definitions of the storages that the token may use
// or audit, sorted by name. (GET /storage/NAME would want Datastore.Allocate.)
func (c *Client) StorageConfigs(ctx context.Context) ([]StorageConfig, error) {
	var w []struct {
		Name      wireText `json:"storage"`
		Type      wireText `json:"type"`
		Content   wireText `json:"content"`
		Nodes     wireText `json:"nodes"`
		Disable   wireBool `json:"disable"`
		Sparse    wireBool `json:"sparse"`
		BlockSize wireText `json:"blocksize"`
	}
	if err := c.get(ctx, "/storage", &w); err != nil {
		return nil, err
	}
	configs := make([]StorageConfig, 0, len(w))
	for _, s := range w {
		content := splitList(string(s.Content))
		slices.Sort(content)
		configs = append(configs, StorageConfig{
			Name: string(s.Name), Type: string(s.Type), Content: content, Nodes: splitList(string(s.Nodes)),
			Disabled: bool(s.Disable), Sparse: bool(s.Sparse), BlockSize: string(s.BlockSize),
		})
	}
	slices.SortFunc(configs, func(a, b StorageConfig) int { return strings.Compare(a.Name, b.Name) })
	return configs, nil
}
