package vmtemplate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/plan"
	"labctl/pkg/pve"
)

// The first release on which a token can import a disk image is 8.4: before it, storages take no disk images as files of
// the content "import" (pve-storage 8.3.6).
const (
	importMajor = 8
	importMinor = 4
)

// UnsupportedError says that a server is too old, and what root can do there instead.
type UnsupportedError struct {
	Release  string   // such as "8.2"
	Node     string   // where the commands are to be run
	Commands []string // that make the same template as root
}

// Error has the commands.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("PVE %s cannot import a disk image for an API token, only %d.%d and later can: upgrade it, or make the template as root on %s:\n    %s",
		e.Release, importMajor, importMinor, e.Node, strings.Join(e.Commands, "\n    "))
}

// imageStorage finds where the image can lie, and checks what can be checked before anything is made.
func (b *Builder) imageStorage(ctx context.Context, wanted Wanted) (string, error) {
	if err := inventory.CheckStorages(ctx, b.API, wanted.Node, []string{wanted.Storage}); err != nil {
		return "", err
	}
	storages, err := b.API.Storages(ctx, wanted.Node)
	if err != nil {
		return "", fmt.Errorf("listing the storages of node %s: %w", wanted.Node, err)
	}
	var usable []string
	for _, storage := range storages {
		if storage.Enabled && storage.Active && slices.Contains(storage.Content, "import") {
			usable = append(usable, storage.Name)
		}
	}
	switch {
	case wanted.ImageStorage != "" && !slices.Contains(usable, wanted.ImageStorage):
		return "", b.noImport(ctx, wanted, storages, fmt.Sprintf("storage %s on node %s takes no disk images", wanted.ImageStorage, wanted.Node))
	case wanted.ImageStorage != "":
		usable = []string{wanted.ImageStorage}
	case len(usable) == 0:
		return "", b.noImport(ctx, wanted, storages, fmt.Sprintf("no storage on node %s that this token may see takes disk images", wanted.Node))
	}
	return usable[0], b.mayUse(ctx, wanted, usable[0])
}

// mayUse checks the privileges that PVE would name only in part, or at the very end: without Datastore.Allocate the image
// could not be removed again. All that is missing is said at once.
func (b *Builder) mayUse(ctx context.Context, wanted Wanted, storage string) error {
	path := "/storage/" + storage
	err := errors.Join(
		b.holds(ctx, path, "Datastore.AllocateTemplate", "storing the image on "+storage),
		b.holds(ctx, path, "Datastore.Allocate", "removing the image from "+storage+" after the import"),
	)
	if wanted.URL == "" {
		return err
	}
	network := b.holds(ctx, "/nodes/"+wanted.Node, "Sys.AccessNetwork", "letting the node fetch the image (or upload a file with --image-file)")
	if network != nil && b.holds(ctx, "/", "Sys.Audit", "") == nil && b.holds(ctx, "/", "Sys.Modify", "") == nil {
		network = nil // what PVE wanted before it had the finer privilege
	}
	return errors.Join(err, network)
}

// holds returns nil when the token holds the privilege on the path.
func (b *Builder) holds(ctx context.Context, path, privilege, purpose string) error {
	held, err := b.API.Permissions(ctx, path)
	if err != nil {
		return fmt.Errorf("asking for the token's privileges: %w", err)
	}
	if slices.Contains(held[path], privilege) {
		return nil
	}
	missing := &pve.PermissionError{Path: path, Privilege: privilege, TokenID: b.Token}
	return fmt.Errorf("%s: %w: %s", purpose, missing, missing.Remedy())
}

// tellOfClone says what labs still need to use the template. Privileges of its pool count too.
func (b *Builder) tellOfClone(ctx context.Context, id pve.VMID) {
	if err := b.holds(ctx, "/vms/"+id.String(), "VM.Clone", "labs that clone the template"); err != nil {
		b.Talk.Line("%v", err)
	}
}

// noImport says why no storage takes the image, and what to do.
func (b *Builder) noImport(ctx context.Context, wanted Wanted, storages []pve.Storage, problem string) error {
	version, err := b.API.Version(ctx)
	if err != nil {
		return fmt.Errorf("asking for the server's version: %w", err)
	}
	if !version.AtLeast(importMajor, importMinor) {
		return &UnsupportedError{Release: version.Release, Node: wanted.Node, Commands: rootCommands(wanted)}
	}
	for _, storage := range storages {
		if storage.Type == "dir" {
			content := strings.Join(append(slices.Clone(storage.Content), "import"), ",")
			return fmt.Errorf("%s: run as root on it `pvesm set %s --content %s`, or name another storage with --image-storage", problem, storage.Name, content)
		}
	}
	return fmt.Errorf("%s: allow the content type import on a directory storage, and grant the token Datastore.AllocateTemplate, Datastore.Allocate and Datastore.Audit there", problem)
}

// rootCommands make the template without labctl.
func rootCommands(wanted Wanted) []string {
	const file = "/var/tmp/labctl-image"
	id := "VMID"
	if wanted.VMID != 0 {
		id = wanted.VMID.String()
	}
	fetch := "wget -O " + file + " " + wanted.URL
	if wanted.URL == "" {
		fetch = "scp FROM-YOUR-MACHINE:" + wanted.File + " " + file
	}
	return []string{
		fetch,
		plan.RootCreate(id, file, plan.TemplateWanted{Name: wanted.Name, Pool: wanted.Pool, Storage: wanted.Storage, Bridge: wanted.Bridge}),
		"qm template " + id,
		"rm " + file,
	}
}
