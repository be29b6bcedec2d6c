package inventory

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/pve"
)

// StorageAPI lists a node's storages.
type StorageAPI interface {
	Storages(ctx context.Context, node string) ([]pve.Storage, error)
}

// CheckStorages says which of the named storages cannot hold VM disks on the node, and what can.
func CheckStorages(ctx context.Context, api StorageAPI, node string, names []string) error {
	storages, err := api.Storages(ctx, node)
	if err != nil {
		return fmt.Errorf("listing the storages of node %s: %w", node, err)
	}
	var usable []string
	for _, storage := range storages {
		if storage.Enabled && storage.Active && slices.Contains(storage.Content, "images") {
			usable = append(usable, storage.Name)
		}
	}
	for _, name := range names {
		if !slices.Contains(usable, name) {
			return fmt.Errorf("storage %s on node %s is not there, not active, not for VM disks, or not visible to this token; usable are: %s: "+
				"correct dataDisk.storage in the lab spec, or grant Datastore.AllocateSpace and Datastore.Audit on /storage/%s",
				name, node, orNone(usable), name)
		}
	}
	return nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
