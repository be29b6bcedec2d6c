package doctor

import (
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/internal/shell"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// checkStorage looks at every storage that takes data disks.
func checkStorage(s *seen) (string, []Finding) {
	if s.storages.err != nil {
		return "", unknown("the storages of node "+s.Lab.Node, s.storages.err)
	}
	if s.configs.err != nil {
		return "", unknown("the settings of the storages", s.configs.err)
	}
	var findings []Finding
	var details []string
	for _, name := range s.Lab.Storages() {
		at := slices.IndexFunc(s.storages.value, func(storage pve.Storage) bool { return storage.Name == name })
		if at < 0 {
			findings = append(findings, s.storageNotSeen(name)...)
			continue
		}
		storage := s.storages.value[at]
		details = append(details, fmt.Sprintf("%s (%s, %s free)", name, storage.Type, roughly(storage.AvailBytes)))
		if found := unfit(storage); len(found) > 0 {
			findings = append(findings, found...)
			continue
		}
		findings = append(findings, s.room(storage)...)
	}
	return strings.Join(details, ", "), append(findings, Misfits(s.Lab, s.configs.value)...)
}

// storageNotSeen explains a storage that is not in the node's list.
func (s *seen) storageNotSeen(name string) []Finding {
	for _, config := range s.configs.value {
		if config.Name == name && len(config.Nodes) > 0 {
			return []Finding{problem(Error, "storage %s is limited to the nodes %s and does not exist on %s", name, strings.Join(config.Nodes, ", "), s.Lab.Node).
				advise("choose another storage or node in the lab spec, or let the node have it", fmt.Sprintf("pvesm set %s --nodes %s", shell.Quote(name), strings.Join(append(config.Nodes, s.Lab.Node), ",")))}
		}
	}
	var usable []string
	for _, storage := range s.storages.value {
		if len(unfit(storage)) == 0 {
			usable = append(usable, storage.Name)
		}
	}
	if s.lacks("/storage/"+name, "Datastore.Audit") && s.lacks("/storage/"+name, "Datastore.AllocateSpace") {
		return []Finding{problem(Note, "whether there is a storage %s on node %s cannot be seen; usable for VM disks are: %s", name, s.Lab.Node, or(usable)).
			advise("if the name is wrong, correct dataDisk.storage in the lab spec")}
	}
	return []Finding{problem(Error, "there is no storage %s on node %s; usable for VM disks are: %s", name, s.Lab.Node, or(usable)).
		advise("correct dataDisk.storage in the lab spec")}
}

// unfit says why a storage cannot hold VM disks.
func unfit(storage pve.Storage) []Finding {
	name := shell.Quote(storage.Name)
	switch {
	case !storage.Enabled:
		return []Finding{problem(Error, "storage %s is disabled", storage.Name).advise("enable it", "pvesm set "+name+" --disable 0")}
	case !storage.Active:
		return []Finding{problem(Error, "storage %s does not answer", storage.Name).
			advise("look why: an unimported pool, a missing mount or a dead server", "pvesm status --storage "+name, "zpool status")}
	case !slices.Contains(storage.Content, "images"):
		return []Finding{problem(Error, "storage %s is not for VM disks: its content is %s, without images", storage.Name, strings.Join(storage.Content, ",")).
			advise("allow VM disks on it, or choose another storage in the lab spec", "pvesm set "+name+" --content "+strings.Join(append(storage.Content, "images"), ","))}
	}
	return nil
}

// Misfits says which storages are not set to what the lab's data disks ask for.
func Misfits(lab *labspec.Lab, configs []pve.StorageConfig) []Finding {
	var findings []Finding
	seen := map[string]bool{}
	for _, vm := range lab.VMs {
		for _, config := range configs {
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

func misfit(config pve.StorageConfig, disk labspec.DataDisk) []Finding {
	var findings []Finding
	set := "pvesm set " + shell.Quote(config.Name)
	hasSettings := config.Type == "zfspool" || config.Type == "zfs"
	if want := disk.Sparse; want != nil && hasSettings && *want != config.Sparse {
		findings = append(findings, problem(Error, "storage %s makes %s disks, and the lab spec wants %s ones", config.Name, thickness(config.Sparse), thickness(*want)).
			advise("change the storage, or dataDisk.sparse in the lab spec", fmt.Sprintf("%s --sparse %d", set, map[bool]int{true: 1}[*want])))
	}
	if disk.BlockSize == 0 {
		return findings
	}
	want := pveSize(disk.BlockSize)
	if !hasSettings {
		return append(findings, problem(Error, "storage %s is of type %s, which has no blocksize, and the lab spec wants %s", config.Name, config.Type, want).
			advise("choose a ZFS storage, or remove dataDisk.blocksize from the lab spec"))
	}
	got, unset := strings.ToLower(config.BlockSize), ""
	if got == "" {
		got, unset = defaultBlockSize, ", which is ZFS's default"
	}
	if got != want {
		findings = append(findings, problem(Error, "storage %s gives its disks the blocksize %s%s, and the lab spec wants %s", config.Name, got, unset, want).
			advise("change the storage, for disks made from then on, or dataDisk.blocksize in the lab spec", set+" --blocksize "+want))
	}
	return findings
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

// room compares the free space with the disks that are still to be made. Thick ones take theirs at once; thin ones can
// fill up, and a pool that runs full stops every VM on it.
func (s *seen) room(storage pve.Storage) []Finding {
	var need labspec.Size
	for _, vm := range s.Lab.VMs {
		if vm.DataDisk.Storage == storage.Name && !s.isUp(vm) {
			need += vm.DataDisk.Size
		}
		if s.Lab.Clone == labspec.CloneFull && !s.isUp(vm) && slices.Contains(storageNames(s.template.value.Config), storage.Name) {
			need += vm.OSDisk.Size
		}
	}
	if int64(need) <= storage.AvailBytes {
		return nil
	}
	thick := slices.ContainsFunc(s.configs.value, func(config pve.StorageConfig) bool {
		return config.Name == storage.Name && config.Type == "zfspool" && !config.Sparse
	})
	if thick {
		return []Finding{problem(Error, "storage %s has %s free, and the lab's disks take %s at once, since it makes thick ones", storage.Name, roughly(storage.AvailBytes), need).
			advise("make room, make the disks in the lab spec smaller, or let the storage make thin disks", "pvesm set "+shell.Quote(storage.Name)+" --sparse 1")}
	}
	return []Finding{problem(Warning, "storage %s has %s free, and the lab's disks may grow to %s: a storage that runs full stops every VM on it", storage.Name, roughly(storage.AvailBytes), need).
		advise("make room, or make the disks in the lab spec smaller")}
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
