package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/internal/shell"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// ofTemplate is a precondition about a template that was found. One that several nodes share is asked once.
func ofTemplate(id, asks string, find func(*Facts, inventory.Template) []Finding) precondition {
	return precondition{id: id, asks: asks, perNode: true, find: func(f *Facts, node *nodeFacts) []Finding {
		if !node.hasTemplate() {
			return nil
		}
		for _, before := range f.perNode {
			if before == node {
				break
			}
			if before.hasTemplate() && before.template.value.Ref == node.template.value.Ref {
				return nil
			}
		}
		return find(f, node.template.value)
	}}
}

// hasTemplate says that the node's template was looked for and found.
func (n *nodeFacts) hasTemplate() bool { return n.template.err == nil && n.template.value.Ref.ID != 0 }

func templatePreconditions() []precondition {
	return []precondition{
		{id: "template-found", asks: "the template exists, is a template, and VMs of the node can be made of it", find: templateFound, perNode: true},
		{id: "template-name", asks: "when it is given by name, only one has that name", find: templateName, perNode: true},
		ofTemplate("template-unlocked", "it is not locked: PVE makes no clone then", templateUnlocked),
		{id: "template-disk", asks: "it has a disk to boot from, which is not larger than osDisk.size", find: templateDisk, perNode: true},
		ofTemplate("template-clone", "with clone: linked, its disks are base volumes on storages that make linked clones", linkable),
		ofTemplate("template-slot", "the slot of the data disk is free", slotFree),
		ofTemplate("template-disks", "it has no further disks", noFurtherDisks),
		ofTemplate("template-cloud-init", "it has a cloud-init drive", hasCloudInit),
		ofTemplate("template-agent", "the guest agent is switched on", hasAgent),
		ofTemplate("template-refused", "nothing spoils the measurement in it that only root may clear (the table below)", refusedKeys),
		ofTemplate("template-inherited", "nothing else in it changes what is measured (the table below)", inheritedKeys),
		ofTemplate("template-overruled", "protection, onboot, tags and scsihw are as `up` sets them anyway", overruledKeys),
		{id: "template-ha", asks: "HA does not manage it", find: notInHA, perNode: true},
	}
}

func templateDetail(f *Facts) string {
	template := f.perNode[0].template.value
	return fmt.Sprintf("%d (%s)", template.Ref.ID, template.Config.Name())
}

// templateFound explains a template that cannot be read, unless a missing privilege does already.
func templateFound(f *Facts, node *nodeFacts) []Finding {
	if f.resources.err != nil {
		return unread("the list of VMs", f.resources.err)
	}
	err := node.template.err
	if id, _ := f.Lab.Template.On(node.name); err == nil || id != 0 && node.lacks(fmt.Sprintf("/vms/%d", id), "VM.Audit") {
		return nil
	}
	var known *inventory.TemplateError
	if !errors.As(err, &known) {
		return unread("the template", err)
	}
	seen := "sees no template at all"
	if len(known.Seen) > 0 {
		seen = "sees " + strings.Join(known.Seen, ", ")
	}
	finding := problem(Error, "template %s on node %s: %s; the token %s", known.Wanted, known.Node, known.Problem, seen)
	finding.err = err
	return []Finding{finding.advise("correct template: or node: in the lab file; a template that exists and is not seen needs VM.Audit and VM.Clone on /vms/VMID")}
}

func templateName(f *Facts, node *nodeFacts) []Finding {
	_, name := f.Lab.Template.On(node.name)
	var ids []string
	for _, resource := range f.resources.value {
		if resource.Template && resource.Name == name && resource.Node == node.name {
			ids = append(ids, resource.VMID.String())
		}
	}
	if name == "" || len(ids) < 2 {
		return nil
	}
	return []Finding{problem(Error, "the templates %s are all called %s", strings.Join(ids, ", "), name).advise("name it by its VMID in the lab file: template: {vmid: " + ids[0] + "}")}
}

func templateUnlocked(_ *Facts, template inventory.Template) []Finding {
	lock := template.Config.Lock()
	if lock == "" {
		return nil
	}
	id := int(template.Ref.ID)
	return []Finding{problem(Error, "template %d is locked (%s): a task works on it, or died", id, lock).
		advise("wait for the task; only when the first command shows none, as root on the server, the second",
			shell.New("pvesh", "get", "/nodes/"+template.Ref.Node+"/tasks", "--source", "active", "--vmid").VMID(id), shell.New("qm", "unlock").VMID(id))}
}

// templateDisk plans the VMs of the node.
func templateDisk(f *Facts, node *nodeFacts) []Finding {
	if !node.hasTemplate() {
		return nil
	}
	lab := *f.Lab
	lab.VMs = slices.DeleteFunc(slices.Clone(lab.VMs), func(vm labspec.VM) bool { return vm.Node != node.name })
	ids := make([]int, len(lab.VMs))
	for i := range ids {
		ids[i] = lab.VMIDs.First + i
	}
	wanted := plan.Wanted{
		Lab: &lab, Templates: map[string]inventory.Template{node.name: node.template.value}, VMIDs: ids, IsReady: func(string) bool { return false },
		SeedFile: func(vm string) string { return vm + ".iso" }, MAC: func(string) string { return "BC:24:11:00:00:01" },
	}
	if _, err := plan.Up(wanted); err != nil {
		return []Finding{failure(err)}
	}
	return nil
}

// linkable finds disks of which PVE makes no linked clone: those on a storage whose plugin has no clone of base volumes
// (pve-storage 9.1.7, volume_has_feature: LVMPlugin.pm 1367 and ISCSIDirectPlugin.pm 249 have none; Plugin.pm 1583 has it
// for raw, qcow2 and vmdk files alike, as an overlay, recorded in second-8.4/45 t.raw.clone), and those that are no base
// volumes. A cloud-init drive and a TPM's state are copied (qemu-server 9.2.6, PVE/API2/Qemu.pm 4541-4556).
func linkable(f *Facts, template inventory.Template) []Finding {
	if f.Lab.Clone != labspec.CloneLinked {
		return nil
	}
	var findings []Finding
	for _, drive := range template.Config.AttachedDrives() {
		storage, volume, stored := strings.Cut(drive.Volume, ":")
		if !stored || drive.Options["media"] == "cdrom" || strings.HasPrefix(drive.Slot, "tpmstate") {
			continue
		}
		id := int(template.Ref.ID)
		if kind := f.storageType(storage); slices.Contains([]string{"lvm", "iscsi", "iscsidirect"}, kind) {
			findings = append(findings, problem(Error, "the disk %s of template %d is on storage %s, whose type %s makes no linked clones", drive.Slot, id, storage, kind).
				advise("write clone: full in the lab file, or move the template to ZFS, LVM-thin, Ceph or a directory"))
		} else if !strings.HasPrefix(volume[strings.LastIndex(volume, "/")+1:], "base-") {
			findings = append(findings, problem(Error, "the disk %s of template %d, %s, is no base volume, and PVE makes linked clones of no other", drive.Slot, id, drive.Volume).
				advise("write clone: full in the lab file, or make it one; it is renamed", shell.New("qm", "template").VMID(id).Words("--disk").Key(drive.Slot)))
		}
	}
	return findings
}

// storageType is the type of a storage that the token sees on any node, else "".
func (f *Facts) storageType(name string) string {
	for _, node := range f.perNode {
		if storage, ok := node.storage(name); ok {
			return storage.Type
		}
	}
	return ""
}

// slotFree finds drives of the template where the data disks go.
func slotFree(f *Facts, template inventory.Template) []Finding {
	var findings []Finding
	for _, drive := range template.Config.AttachedDrives() {
		taken := slices.ContainsFunc(f.Lab.VMs, func(vm labspec.VM) bool { return plan.DataSlot(vm.DataDisk) == drive.Slot })
		if !taken {
			continue
		}
		finding := problem(Error, "template %d has a drive at %s, where the data disk goes", template.Ref.ID, drive.Slot)
		if drive.Options["media"] == "cdrom" {
			findings = append(findings, finding.advise("choose another dataDisk.bus in the lab file, or move the drive"))
			continue
		}
		findings = append(findings, finding.advise("choose another dataDisk.bus in the lab file, or detach the disk from the template: its volume stays there as unused", detach(template, drive.Slot)))
	}
	return findings
}

// noFurtherDisks finds disks besides the one that is booted from, which every clone gets. PVE leaves unusedN out of clones
// (qemu-server 9.2.6, PVE/API2/Qemu.pm 4524), so they do no harm; to delete one would destroy its volume (Qemu.pm 2312-2321).
func noFurtherDisks(f *Facts, template inventory.Template) []Finding {
	boot, _ := plan.OSSlot(template.Config)
	var slots []string
	var commands []shell.Command
	for _, drive := range template.Config.AttachedDrives() {
		firmware := strings.HasPrefix(drive.Slot, "efidisk") || strings.HasPrefix(drive.Slot, "tpmstate")
		ofLab := slices.ContainsFunc(f.Lab.VMs, func(vm labspec.VM) bool { return plan.DataSlot(vm.DataDisk) == drive.Slot })
		if drive.Slot != boot && drive.Options["media"] != "cdrom" && !firmware && !ofLab {
			slots, commands = append(slots, drive.Slot), append(commands, detach(template, drive.Slot))
		}
	}
	if len(slots) == 0 {
		return nil
	}
	return []Finding{problem(Warning, "template %d has more than one disk: every clone gets them all (%s)", template.Ref.ID, strings.Join(slots, ", ")).
		advise("detach from the template what nobody's clones need: the volumes stay there as unused", commands...)}
}

// detach takes a disk out of the configuration. Its volume stays, as unusedN: PVE frees it only with --force
// (qemu-server 9.2.6, PVE/QemuServer.pm 4969-4983). A protected template keeps its drives
// (PVE/API2/Qemu.pm 2341).
func detach(template inventory.Template, slot string) shell.Command {
	set := shell.New("qm", "set").VMID(int(template.Ref.ID))
	command := set.Words("--delete").Key(slot)
	if template.Config.Protection() {
		return set.Words("--protection", "0").And(command).And(set.Words("--protection", "1"))
	}
	return command
}

// hasCloudInit wants a cloud-init drive. A new one goes into a free slot: one in the slot of a CD or disk would take its
// place.
func hasCloudInit(f *Facts, template inventory.Template) []Finding {
	drives := template.Config.AttachedDrives()
	if slices.ContainsFunc(drives, pve.Drive.IsCloudInit) {
		return nil
	}
	id := int(template.Ref.ID)
	storage := f.Lab.VMs[0].DataDisk.Storage
	if slot, ok := plan.OSSlot(template.Config); ok {
		disk, _ := template.Config.Drive(slot)
		storage, _, _ = strings.Cut(disk.Volume, ":")
	}
	finding := problem(Error, "template %d has no cloud-init drive: its clones would get neither address nor SSH key", id)
	for _, slot := range []string{"ide2", "ide0", "ide1", "ide3", "sata5"} {
		if _, taken := template.Config.Raw[slot]; !taken {
			return []Finding{finding.advise("give it one", shell.New("qm", "set").VMID(id).Words("--"+slot).Volume(storage+":cloudinit"))}
		}
	}
	return []Finding{finding.advise("give it one, in a slot that is free")}
}

func hasAgent(_ *Facts, template inventory.Template) []Finding {
	value := template.Config.Raw["agent"]
	on, options, _ := strings.Cut(value, ",")
	if on != "" && on != "0" && on != "enabled=0" {
		return nil
	}
	if options != "" {
		options = "," + options
	}
	return []Finding{problem(Warning, "template %d does not have the guest agent switched on: labctl does that in the clones, but qemu-guest-agent must be installed in them", template.Ref.ID).
		advise("make sure that it is installed, and switch it on", shell.New("qm", "set").VMID(int(template.Ref.ID)).Words("--agent", "enabled=1"+options))}
}

// notInHA looks at what manages the template.
func notInHA(_ *Facts, node *nodeFacts) []Finding {
	if !node.hasTemplate() || node.status.err != nil || !node.status.value.HAManaged {
		return nil
	}
	id := node.template.value.Ref.ID
	return []Finding{problem(Warning, "template %d is managed by HA, which may move or start what it should leave alone", id).
		advise("take it out of HA; the template itself stays", shell.New("ha-manager", "remove", fmt.Sprintf("vm:%d", id)))}
}
