package inventory

import (
	"context"
	"errors"
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
	storages, err := storagesOf(ctx, api, node)
	if err != nil {
		return err
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
				"correct --storage or dataDisk.storage, or grant Datastore.AllocateSpace and Datastore.Audit on /storage/%s",
				name, node, orNone(usable), name)
		}
	}
	return nil
}

// storagesOf lists the storages of a node that is named in a lab spec or by a person.
func storagesOf(ctx context.Context, api StorageAPI, node string) ([]pve.Storage, error) {
	storages, err := api.Storages(ctx, node)
	switch {
	case errors.Is(err, pve.ErrNotFound):
		return nil, fmt.Errorf("the server has no node %s: correct node: in the lab spec, or --node: %w", node, err)
	case err != nil:
		return nil, fmt.Errorf("listing the storages of node %s: %w", node, err)
	}
	return storages, nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
