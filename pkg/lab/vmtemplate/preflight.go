package vmtemplate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/internal/shell"
	"labctl/pkg/lab/grants"
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
func (b *Builder) imageStorage(ctx context.Context, wanted Wanted, id pve.VMID) (string, error) {
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
	return usable[0], b.mayBuild(ctx, wanted, id, usable[0])
}

// mayBuild checks all privileges by the table that `labctl init --print-grants` prints, before anything is made: PVE would
// name them one by one, and some at the very end.
func (b *Builder) mayBuild(ctx context.Context, wanted Wanted, id pve.VMID, imageStorage string) error {
	node := "/nodes/" + wanted.Node
	list := grants.Build{
		Node: wanted.Node, Pool: wanted.Pool, Storage: wanted.Storage, ImageStorage: imageStorage, Bridge: wanted.Bridge,
	}.List()
	if wanted.URL == "" {
		list = slices.DeleteFunc(list, func(grant grants.Grant) bool { return grant.Path == node })
	}
	missing, err := list.Missing(ctx, b.API)
	if err != nil || len(missing) == 0 {
		return err
	}
	held := map[string][]string{}
	for _, path := range []string{"/", "/vms/" + id.String()} {
		have, err := b.API.Permissions(ctx, path)
		if err != nil {
			return fmt.Errorf("asking for the token's privileges on %s: %w", path, err)
		}
		held[path] = have[path]
	}
	missing = slices.DeleteFunc(missing, func(grant grants.Grant) bool {
		// What PVE wanted before it had the finer privilege.
		before := grant.Path == node && slices.Contains(held["/"], "Sys.Audit") && slices.Contains(held["/"], "Sys.Modify")
		above := grant.Path == "/pool/"+wanted.Pool && strings.HasPrefix(grant.Privilege, "VM.") && slices.Contains(held["/vms/"+id.String()], grant.Privilege)
		return before || above
	})
	if len(missing) == 0 {
		return nil
	}
	all, err := b.API.Permissions(ctx, "")
	if err != nil {
		return fmt.Errorf("asking for the token's privileges: %w", err)
	}
	err = &grants.MissingError{TokenID: b.Token, Missing: missing, Held: all}
	if len(missing.On(node)) > 0 {
		return fmt.Errorf("%w\nor let this machine upload the image, with --image-file", err)
	}
	return err
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
			command := shell.New("pvesm", "set").Storage(storage.Name).Words("--content").Contents(append(slices.Clone(storage.Content), "import"))
			return fmt.Errorf("%s: run as root on it `%s`, or name another storage with --image-storage", problem, command)
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
	fetch := shell.New("wget", "-O", file, wanted.URL)
	if wanted.URL == "" {
		fetch = shell.Script("scp FROM-YOUR-MACHINE:" + shell.Quote(wanted.File) + " " + file)
	}
	return shell.Strings([]shell.Command{
		fetch,
		plan.RootCreate(id, file, plan.TemplateWanted{Name: wanted.Name, Pool: wanted.Pool, Storage: wanted.Storage, Bridge: wanted.Bridge}),
		shell.New("qm", "template", id),
		shell.New("rm", file),
	})
}
