package change

import (
	"regexp"
	"slices"
	"strconv"

	"labctl/pkg/lab/journal"
	"labctl/pkg/pve"
)

// lying are the volumes that lie under a VMID of the lab, by whose they are. Names alone prove nothing: a disk that the VM
// of somebody else left behind there has the name that ours would have.
type lying struct {
	ours      []pve.Volume // our VM's configuration named them
	strangers []pve.Volume // they were there before our VM, or a person says so
	unclear   []pve.Volume
}

// others are all that nothing proves ours.
func (l lying) others() []pve.Volume { return slices.Concat(l.strangers, l.unclear) }

// lyingUnder judges volumes by what is known of the VMID; what a person says comes first. That a disk is linked to the lab's template
// proves nothing: others clone it too. The image for cloud-init that lies where a clone of ours failed counts as what PVE could not
// take back: it is made anew from the configuration at every start, so that no mistake here can lose anything.
func lyingUnder(known journal.VM, leave []string, found []pve.Volume) lying {
	var all lying
	failed := slices.Contains(known.Failed, journal.OpClone)
	for _, volume := range found {
		switch {
		case slices.Contains(leave, volume.ID):
			all.strangers = append(all.strangers, volume)
		case slices.Contains(known.Disks, volume.ID), failed && cloudInitName.MatchString(volume.ID):
			all.ours = append(all.ours, volume)
		case madeOnce(known) && isBelow(volume.ID, known.Disks):
			all.strangers = append(all.strangers, volume)
		default:
			all.unclear = append(all.unclear, volume)
		}
	}
	return all
}

// madeOnce says that all disks of ours under the VMID are those that our VM's configuration named. PVE gives a new disk the lowest
// number that is free on its storage (PVE::Storage::Plugin, get_next_vm_diskname), so that a lower one was taken before:
// unless another clone of ours may have gone there, of this run or by the task list of one before it, or a configuration failed between
// the allocation and the note of it, and was sent again.
func madeOnce(known journal.VM) bool {
	if known.Lossy || known.Clones > 1 || (known.Clones == 1 && known.Listed) {
		return false
	}
	sent := slices.DeleteFunc(slices.Concat(known.Done, known.Failed), func(op journal.Op) bool { return op != journal.OpConfigure })
	return len(sent) < 2 || !slices.Contains(known.Failed, journal.OpConfigure)
}

// diskName matches the volumes of a VM's disks, as every storage plugin names them ("zfs:base-9000-disk-0/vm-101-disk-0",
// "local:101/vm-101-disk-1.raw"), with the storage and the number.
var diskName = regexp.MustCompile(`^([^:]+):(?:.*/)?(?:vm|base)-\d+-disk-(\d+)(?:\.[a-z0-9]+)?$`)

// cloudInitName matches the image with cloud-init's data (PVE::QemuServer::Cloudinit, commit_cloudinit_disk).
var cloudInitName = regexp.MustCompile(`[:/]vm-\d+-cloudinit(?:\.[a-z0-9]+)?$`)

// isBelow says that all of the disks that are on the volume's storage have higher numbers, and that there are such.
func isBelow(volume string, disks []string) bool {
	storage, number, ok := diskNumber(volume)
	on := false
	for _, disk := range disks {
		diskStorage, n, isDisk := diskNumber(disk)
		if !ok || !isDisk || diskStorage != storage {
			continue
		}
		if n <= number {
			return false
		}
		on = true
	}
	return on
}

func diskNumber(volume string) (storage string, number int, ok bool) {
	match := diskName.FindStringSubmatch(volume)
	if match == nil {
		return "", 0, false
	}
	number, err := strconv.Atoi(match[2])
	return match[1], number, err == nil
}

// disksOf are the volumes of the VM that its configuration names: not ISO images, and not what lies under another VMID.
func disksOf(config pve.VMConfig, id pve.VMID) []string {
	var disks []string
	for _, drive := range config.Drives() {
		if match := volumeOwner.FindStringSubmatch(drive.Volume); match != nil && match[1] == id.String() {
			disks = append(disks, drive.Volume)
		}
	}
	return disks
}

// volumeOwner matches a volume with the VMID in its name.
var volumeOwner = regexp.MustCompile(`[:/](?:vm|base)-(\d+)-[^/]+$`)
