package teardown

import (
	"regexp"
	"slices"
	"strconv"

	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
	"labctl/pkg/pve"
)

// Owner is whose a volume under one of the lab's VMIDs is.
type Owner string

// The owners. A name alone proves nothing: a disk that somebody else's VM left behind under a VMID has the name that ours
// would have. That a disk is linked to the lab's template proves nothing either: others clone it too.
const (
	OurVolume     Owner = "ours"
	TheirVolume   Owner = "somebody else's"
	UnclearVolume Owner = "undecided"
)

// VolumeRow is one case of the table about volumes.
type VolumeRow struct {
	Owner   Owner
	Because string
	fits    func(volume string, known journal.VM, words Words) bool
}

// VolumeRows is the decision table for a volume under a VMID that the run made. The first row that fits decides.
func VolumeRows() []VolumeRow {
	return []VolumeRow{
		{TheirVolume, "a person says so with --leave", func(volume string, _ journal.VM, words Words) bool { return slices.Contains(words.Leave, volume) }},
		{OurVolume, "the configuration of our VM named it", func(volume string, known journal.VM, _ Words) bool { return slices.Contains(known.Disks, volume) }},
		// It is made anew from the configuration at every start, so that a mistake here loses nothing.
		{OurVolume, "it is the cloud-init image of a clone of ours that failed", func(volume string, known journal.VM, _ Words) bool {
			return slices.Contains(known.Failed, journal.OpClone) && cloudInitName.MatchString(volume)
		}},
		// PVE gives a new disk the lowest number that is free on its storage (PVE::Storage::Plugin, get_next_vm_diskname).
		{TheirVolume, "its number is lower than those of our disks, so that it was there before", func(volume string, known journal.VM, _ Words) bool {
			return madeOnce(known) && isBelow(volume, known.Disks)
		}},
		{UnclearVolume, "nothing proves whose it is", func(string, journal.VM, Words) bool { return true }},
	}
}

// Volumes are the volumes under one VMID by their owner.
type Volumes struct{ Ours, Theirs, Unclear []pve.Volume }

// NotOurs are all that nothing proves ours.
func (v Volumes) NotOurs() []pve.Volume { return slices.Concat(v.Theirs, v.Unclear) }

// JudgeVolumes sorts the volumes that were found under a VMID by the table.
func JudgeVolumes(known journal.VM, words Words, found []pve.Volume) Volumes {
	var all Volumes
	for _, volume := range found {
		rows := VolumeRows()
		at := slices.IndexFunc(rows, func(row VolumeRow) bool { return row.fits(volume.ID, known, words) })
		switch rows[at].Owner {
		case OurVolume:
			all.Ours = append(all.Ours, volume)
		case TheirVolume:
			all.Theirs = append(all.Theirs, volume)
		default:
			all.Unclear = append(all.Unclear, volume)
		}
	}
	return all
}

// Verdict is what follows from a look at the storages.
type Verdict string

// The verdicts.
const (
	NothingLeft  Verdict = "nothing of ours is left"
	LookAgain    Verdict = "ours were freed: look again"
	OnlyListed   Verdict = "volumes lie under a VMID that only the task list names"
	Undecided    Verdict = "volumes lie there that nothing proves ours or somebody else's"
	BesideOthers Verdict = "ours lie beside somebody else's, and PVE frees all of them or none"
)

// AfterLook is what follows from the volumes that were found, and which of them are reported.
func AfterLook(step plan.Prove, found Volumes) (verdict Verdict, left []pve.Volume) {
	reported := slices.Concat(found.Ours, found.Unclear)
	switch {
	case step.LookOnly && len(reported) > 0:
		return OnlyListed, reported
	case len(found.Unclear) > 0:
		return Undecided, reported
	case len(found.Ours) > 0 && len(found.Theirs) > 0:
		return BesideOthers, found.Ours
	case len(found.Ours) > 0:
		return LookAgain, found.Ours
	}
	return NothingLeft, nil
}

// madeOnce says whether all disks of ours under the VMID are those that our VM's configuration named. It is not so when
// another clone of ours may have gone there, of this run or of one before it, or when a configuration failed between the
// allocation of a disk and the note of it, and was sent again.
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

// isBelow says whether our disks on the volume's storage all have higher numbers, and there are such.
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

// DisksOf are the volumes of the VM that its configuration names: not ISO images, and not what lies under another VMID.
func DisksOf(config pve.VMConfig, id pve.VMID) []string {
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
