package doctor

import (
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/internal/shell"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

func storagePreconditions() []precondition {
	return []precondition{
		{id: "storage-usable", asks: "the storages of the data disks exist on the node, are enabled, answer, and are for VM disks", find: storagesUsable, perNode: true},
		{id: "storage-uploads", asks: "with cloudInit: iso, the storage of the images is the same and for ISO images", find: uploadsUsable, perNode: true},
		{id: "storage-settings", asks: "they are set to `sparse` and `blocksize` of the lab file", find: storageSettings},
		{id: "storage-room", asks: "they have room for the lab's disks", find: storageRoom, perNode: true},
		{id: "storage-others", asks: "no other storage of the node is silent: nobody could look there for disks that are left", find: othersAnswer, perNode: true},
	}
}

func storageDetail(f *Facts) string {
	var details []string
	for _, name := range f.Lab.StoragesOn(f.perNode[0].name) {
		if storage, ok := f.perNode[0].storage(name); ok {
			details = append(details, fmt.Sprintf("%s (%s, %s free)", name, storage.Type, roughly(storage.AvailBytes)))
		}
	}
	return strings.Join(details, ", ")
}

// storage is one that the node shows to the token.
func (n *nodeFacts) storage(name string) (pve.Storage, bool) {
	at := slices.IndexFunc(n.storages.value, func(storage pve.Storage) bool { return storage.Name == name })
	if at < 0 {
		return pve.Storage{}, false
	}
	return n.storages.value[at], true
}

func storagesUsable(f *Facts, node *nodeFacts) []Finding {
	if node.storages.err != nil {
		return unread("the list of storages of node "+node.name, node.storages.err)
	}
	var findings []Finding
	for _, name := range f.Lab.StoragesOn(node.name) {
		if storage, ok := node.storage(name); ok {
			findings = append(findings, node.unfit(storage, "images", "VM disks")...)
		} else {
			findings = append(findings, f.storageNotSeen(node, name)...)
		}
	}
	return findings
}

func uploadsUsable(f *Facts, node *nodeFacts) []Finding {
	if f.Lab.CloudInit.Mode != labspec.CloudInitISO || node.storages.err != nil {
		return nil
	}
	if storage, ok := node.storage(f.Lab.CloudInit.Storage); ok {
		return node.unfit(storage, "iso", "ISO images")
	}
	if node.lacks("/storage/"+f.Lab.CloudInit.Storage, "Datastore.Audit") {
		return nil // that is why it is not seen, and it is said already
	}
	return []Finding{problem(Error, "there is no storage %s on node %s for the cloud-init images", f.Lab.CloudInit.Storage, node.name).
		advise("correct cloudInit.storage in the lab file")}
}

// storageNotSeen explains a storage that is not in the node's list.
func (f *Facts) storageNotSeen(node *nodeFacts, name string) []Finding {
	for _, config := range f.configs.value {
		if config.Name == name && len(config.Nodes) > 0 {
			nodes := append(slices.Clone(config.Nodes), node.name)
			return []Finding{problem(Error, "storage %s is limited to the nodes %s and does not exist on %s", name, strings.Join(config.Nodes, ", "), node.name).
				advise("choose another storage or node in the lab file; or, where the node has what the storage is made of, let it have the storage",
					shell.New("pvesm", "set").Storage(name).Words("--nodes").Nodes(nodes))}
		}
	}
	var usable []string
	for _, storage := range node.storages.value {
		if len(node.unfit(storage, "images", "VM disks")) == 0 {
			usable = append(usable, storage.Name)
		}
	}
	if node.lacks("/storage/"+name, "Datastore.Audit") && node.lacks("/storage/"+name, "Datastore.AllocateSpace") {
		return []Finding{problem(Note, "whether there is a storage %s on node %s cannot be seen; usable for VM disks are: %s", name, node.name, listed(usable)).
			advise("if the name is wrong, correct dataDisk.storage in the lab file")}
	}
	return []Finding{problem(Error, "there is no storage %s on node %s; usable for VM disks are: %s", name, node.name, listed(usable)).
		advise("correct dataDisk.storage in the lab file")}
}

// unfit says why a storage cannot hold what the lab wants to put there.
func (n *nodeFacts) unfit(storage pve.Storage, content, what string) []Finding {
	switch {
	case !storage.Enabled:
		return []Finding{problem(Error, "storage %s is disabled", storage.Name).
			advise("enable it, on all nodes that have it", shell.New("pvesm", "set").Storage(storage.Name).Words("--disable", "0"))}
	case !storage.Active:
		return []Finding{problem(Error, "storage %s does not answer on node %s", storage.Name, n.name).
			advise("look why: an unimported pool, a missing mount or a dead server", shell.New("pvesm", "status", "--storage").Storage(storage.Name), shell.New("zpool", "status"))}
	case !slices.Contains(storage.Content, content):
		all := append(slices.Clone(storage.Content), content)
		return []Finding{problem(Error, "storage %s is not for %s: its content is %s, without %s", storage.Name, what, strings.Join(storage.Content, ","), content).
			advise("allow it, or choose another storage in the lab file", shell.New("pvesm", "set").Storage(storage.Name).Words("--content").Contents(all))}
	}
	return nil
}

// storageSettings says which storages are not set to what the lab's data disks ask for.
func storageSettings(f *Facts, _ *nodeFacts) []Finding {
	if f.configs.err != nil {
		return unread("the settings of the storages", f.configs.err)
	}
	var findings []Finding
	seen := map[string]bool{}
	for _, vm := range f.Lab.VMs {
		for _, config := range f.configs.value {
			if config.Name != vm.DataDisk.Storage {
				continue
			}
			for _, finding := range misfit(config, vm.DataDisk) {
				if !seen[finding.Problem] {
					seen[finding.Problem] = true
					findings = append(findings, finding)
				}
			}
		}
	}
	return findings
}

// misfit compares a storage's settings with what one disk asks for. They hold for disks that are made from then on, of
// whoever makes them (pve-storage 9.1.7, ZFSPoolPlugin.pm, alloc_image). ZFS over iSCSI cannot be changed (ZFSPlugin.pm,
// options: blocksize is fixed).
func misfit(config pve.StorageConfig, disk labspec.DataDisk) []Finding {
	var findings []Finding
	set := shell.New("pvesm", "set").Storage(config.Name)
	isZFS := config.Type == "zfspool" || config.Type == "zfs"
	if want := disk.Sparse; want != nil && isZFS && *want != config.Sparse {
		findings = append(findings, problem(Error, "storage %s makes %s disks, and the lab spec wants %s ones", config.Name, thickness(config.Sparse), thickness(*want)).
			advise("change the storage, for disks that anybody makes from then on, or dataDisk.sparse in the lab file", set.Words("--sparse", map[bool]string{true: "1", false: "0"}[*want])))
	}
	if disk.BlockSize == 0 {
		return findings
	}
	want := pveSize(disk.BlockSize)
	if !isZFS {
		return append(findings, problem(Error, "storage %s is of type %s, which has no blocksize, and the lab spec wants %s", config.Name, config.Type, want).
			advise("choose a ZFS storage, or remove dataDisk.blocksize from the lab file"))
	}
	got, unset := strings.ToLower(config.BlockSize), ""
	if got == "" {
		got, unset = defaultBlockSize, ", which is ZFS's default"
	}
	if got == want {
		return findings
	}
	finding := problem(Error, "storage %s gives its disks the blocksize %s%s, and the lab spec wants %s", config.Name, got, unset, want)
	if config.Type == "zfs" {
		return append(findings, finding.advise("choose another storage, or change dataDisk.blocksize in the lab file"))
	}
	return append(findings, finding.
		advise("change the storage, for disks that anybody makes from then on, or dataDisk.blocksize in the lab file", set.Words("--blocksize", want)))
}

// defaultBlockSize is the volblocksize that OpenZFS chooses since 2.2, which PVE has since 8.1.
const defaultBlockSize = "16k"

func thickness(sparse bool) string {
	if sparse {
		return "thin (sparse)"
	}
	return "thick"
}

// pveSize writes a block size as storage.cfg does: 64k, 1m.
func pveSize(size labspec.Size) string {
	if size%labspec.MiB == 0 {
		return fmt.Sprintf("%dm", size/labspec.MiB)
	}
	return fmt.Sprintf("%dk", size/labspec.KiB)
}

// storageRoom compares the free space with the disks that are still to be made. Thick ones take theirs at once; thin ones
// can fill up, and a pool that runs full stops every VM on it.
func storageRoom(f *Facts, node *nodeFacts) []Finding {
	var findings []Finding
	for _, name := range f.Lab.StoragesOn(node.name) {
		storage, ok := node.storage(name)
		need := f.needed(node, storage)
		if !ok || len(node.unfit(storage, "images", "VM disks")) > 0 || int64(need) <= storage.AvailBytes {
			continue
		}
		thick := slices.ContainsFunc(f.configs.value, func(config pve.StorageConfig) bool {
			return config.Name == name && config.Type == "zfspool" && !config.Sparse
		})
		if thick {
			findings = append(findings, problem(Error, "storage %s has %s free, and the lab's disks take %s at once, since it makes thick ones", name, roughly(storage.AvailBytes), need).
				advise("make room, make the disks in the lab file smaller, or let the storage make thin disks, for everybody", shell.New("pvesm", "set").Storage(name).Words("--sparse", "1")))
			continue
		}
		findings = append(findings, problem(Warning, "storage %s has %s free, and the lab's disks may grow to %s: a storage that runs full stops every VM on it", name, roughly(storage.AvailBytes), need).
			advise("make room, or make the disks in the lab file smaller"))
	}
	return findings
}

// needed is the size of the disks that are still to be made on a storage, by VMs of one node or, if all nodes share it, of
// every node.
func (f *Facts) needed(node *nodeFacts, storage pve.Storage) labspec.Size {
	var need labspec.Size
	for _, vm := range f.Lab.VMs {
		if f.isUp(vm) || vm.Node != node.name && !storage.Shared {
			continue
		}
		if vm.DataDisk.Storage == storage.Name {
			need += vm.DataDisk.Size
		}
		slot, _ := plan.OSSlot(node.template.value.Config)
		if disk, ok := node.template.value.Config.Drive(slot); ok && f.Lab.Clone == labspec.CloneFull && strings.HasPrefix(disk.Volume, storage.Name+":") {
			need += vm.OSDisk.Size
		}
	}
	return need
}

// othersAnswer tells of storages that are none of the lab's and do not answer: PVE then cannot look there for disks of a
// VM that it removes (pve-api findings-3 47).
func othersAnswer(f *Facts, node *nodeFacts) []Finding {
	var findings []Finding
	for _, storage := range node.storages.value {
		ours := slices.Contains(f.Lab.StoragesOn(node.name), storage.Name) || storage.Name == f.Lab.CloudInit.Storage
		if !ours && storage.Enabled && !storage.Active && slices.Contains(storage.Content, "images") {
			findings = append(findings, problem(Note, "storage %s does not answer on node %s: when the lab is removed, nobody can look there for its disks, of which it has none", storage.Name, node.name))
		}
	}
	return findings
}

// roughly writes bytes in a unit that a person reads.
func roughly(bytes int64) string {
	switch size := float64(bytes); {
	case size >= float64(labspec.TiB):
		return fmt.Sprintf("%.1fTiB", size/float64(labspec.TiB))
	case size >= float64(labspec.GiB):
		return fmt.Sprintf("%.1fGiB", size/float64(labspec.GiB))
	default:
		return fmt.Sprintf("%.0fMiB", size/float64(labspec.MiB))
	}
}
