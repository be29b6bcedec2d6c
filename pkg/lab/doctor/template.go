package doctor

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"labctl/pkg/internal/shell"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// checkTemplate looks for the template and for what its clones would inherit.
func checkTemplate(s *seen) (string, []Finding) {
	if s.resources.err != nil {
		return "", unknown("the VMs that the token sees", s.resources.err)
	}
	if s.template.err != nil {
		return "", s.templateNotFound(s.template.err)
	}
	template := s.template.value
	id := template.Ref.ID.String()
	detail := fmt.Sprintf("%s (%s)", id, template.Config.Name())
	findings := s.ambiguous()
	for _, look := range []func(*seen, inventory.Template) []Finding{broken, cannotLogIn, onWrongStorage, slotTaken, inherited, overruled} {
		findings = append(findings, look(s, template)...)
	}
	if s.status.err == nil && s.status.value.HAManaged {
		findings = append(findings, problem(Warning, "template %s is managed by HA, which may move or start what it should leave alone", id).
			advise("take it out", "ha-manager remove vm:"+id))
	}
	return detail, findings
}

// templateNotFound explains a template that cannot be read, unless a missing privilege does already.
func (s *seen) templateNotFound(err error) []Finding {
	var known *inventory.TemplateError
	if id := s.Lab.Template.VMID; id != 0 && s.lacks(fmt.Sprintf("/vms/%d", id), "VM.Audit") {
		return nil
	}
	if !errors.As(err, &known) {
		return unknown("the template", err)
	}
	seen := "sees no template at all"
	if len(known.Seen) > 0 {
		seen = "sees " + strings.Join(known.Seen, ", ")
	}
	return []Finding{problem(Error, "template %s on node %s: %s; the token %s", known.Wanted, known.Node, known.Problem, seen).
		advise("correct template: or node: in the lab spec; a template that exists and is not seen needs VM.Audit and VM.Clone on /vms/VMID")}
}

// ambiguous finds other templates of the same name.
func (s *seen) ambiguous() []Finding {
	name := s.Lab.Template.Name
	var ids []string
	for _, resource := range s.resources.value {
		if resource.Template && resource.Name == name && resource.Node == s.Lab.Node {
			ids = append(ids, resource.VMID.String())
		}
	}
	if name == "" || len(ids) < 2 {
		return nil
	}
	return []Finding{problem(Error, "the templates %s are all called %s", strings.Join(ids, ", "), name).advise("name it by its VMID in the lab spec: template: {vmid: " + ids[0] + "}")}
}

// broken finds what makes cloning or planning fail.
func broken(s *seen, template inventory.Template) []Finding {
	var findings []Finding
	id := template.Ref.ID.String()
	if lock := template.Config.Lock(); lock != "" {
		findings = append(findings, problem(Error, "template %s is locked (%s): a task works on it, or died", id, lock).
			advise("wait for the task; when none runs any more, as root on the server", "qm unlock "+id))
	}
	ids := make([]int, len(s.Lab.VMs))
	for i := range ids {
		ids[i] = s.Lab.VMIDs.First + i
	}
	templates := map[string]inventory.Template{}
	for _, node := range s.Lab.Nodes() {
		templates[node] = template
	}
	wanted := plan.Wanted{
		Lab: s.Lab, Templates: templates, VMIDs: ids, IsReady: func(string) bool { return false },
		SeedFile: func(vm string) string { return vm + ".iso" }, MAC: func(string) string { return "BC:24:11:00:00:01" },
	}
	if _, err := plan.Up(wanted); err != nil {
		findings = append(findings, Finding{Severity: Error, Problem: err.Error()})
	}
	return findings
}

// cannotLogIn finds what keeps labctl out of the clones.
func cannotLogIn(_ *seen, template inventory.Template) []Finding {
	id, config := template.Ref.ID.String(), template.Config
	var findings []Finding
	hasCloudInit := slices.ContainsFunc(config.Drives(), func(drive pve.Drive) bool {
		return strings.Contains(drive.Volume, "cloudinit")
	})
	if !hasCloudInit {
		storage := "STORAGE"
		if names := storageNames(config); len(names) > 0 {
			storage = names[0]
		}
		findings = append(findings, problem(Error, "template %s has no cloud-init drive: its clones would get neither address nor SSH key", id).
			advise("give it one", fmt.Sprintf("qm set %s --ide2 %s:cloudinit", id, shell.Quote(storage))))
	}
	switch custom := config.Raw["cicustom"]; {
	case strings.Contains(custom, "user="):
		findings = append(findings, problem(Error, "template %s has its own cloud-init user data (cicustom %s), which replaces the account and the key that labctl logs in with", id, custom).
			advise("remove it", "qm set "+id+" --delete cicustom"))
	case custom != "":
		findings = append(findings, problem(Warning, "template %s has its own cloud-init data (cicustom %s), which its clones share", id, custom).
			advise("remove it unless you want it measured", "qm set "+id+" --delete cicustom"))
	}
	if on, _, _ := strings.Cut(config.Raw["agent"], ","); on == "" || on == "0" || on == "enabled=0" {
		findings = append(findings, problem(Warning, "template %s does not have the guest agent switched on: labctl does that in the clones, but qemu-guest-agent must be installed in them", id).
			advise("make sure that it is installed, and switch it on", "qm set "+id+" --agent enabled=1"))
	}
	return findings
}

// onWrongStorage finds an OS disk of which no linked clone can be made (PVE::Storage::Plugin, volume_has_feature).
func onWrongStorage(s *seen, template inventory.Template) []Finding {
	if s.Lab.Clone != labspec.CloneLinked {
		return nil
	}
	for _, drive := range template.Config.Drives() {
		name, volume, _ := strings.Cut(drive.Volume, ":")
		for _, storage := range s.storages.value {
			plain := storage.Type == "lvm" || storage.Type == "iscsi" || storage.Type == "iscsidirect" ||
				slices.Contains([]string{"dir", "nfs", "cifs"}, storage.Type) && strings.HasSuffix(volume, ".raw")
			if storage.Name == name && plain && drive.Options["media"] != "cdrom" {
				return []Finding{problem(Error, "the disk %s of template %d is on storage %s, which cannot make linked clones of it", drive.Slot, template.Ref.ID, name).
					advise("write clone: full in the lab spec, or move the template to ZFS, LVM-thin or Ceph")}
			}
		}
	}
	return nil
}

// slotTaken finds disks of the template that are in the way of the lab's, or come along for nothing.
func slotTaken(s *seen, template inventory.Template) []Finding {
	var findings []Finding
	id := template.Ref.ID.String()
	slots := map[string]bool{}
	for _, vm := range s.Lab.VMs {
		slots[plan.DataSlot(vm.DataDisk)] = true
	}
	disks := 0
	for _, drive := range template.Config.Drives() {
		switch {
		case slots[drive.Slot]:
			findings = append(findings, problem(Error, "template %s has a drive at %s, where the data disk goes", id, drive.Slot).
				advise("remove it, or choose another dataDisk.bus in the lab spec", "qm set "+id+" --delete "+drive.Slot))
		case drive.Options["media"] != "cdrom" && !strings.HasPrefix(drive.Slot, "efidisk") && !strings.HasPrefix(drive.Slot, "tpmstate"):
			if disks++; disks == 2 {
				findings = append(findings, problem(Warning, "template %s has more than one disk: every clone gets them all (%s)", id, drive.Slot).
					advise("remove what the lab does not need", "qm set "+id+" --delete "+drive.Slot))
			}
		}
	}
	return findings
}

// inherited finds keys that come over into every clone and that labctl does not set.
func inherited(_ *seen, template inventory.Template) []Finding {
	id, config := template.Ref.ID.String(), template.Config
	var findings []Finding
	for _, key := range slices.Sorted(maps.Keys(config.Raw)) {
		if rootOnly.MatchString(key) {
			findings = append(findings, problem(Warning, "template %s has %s, which its clones inherit: only root may set it, and a VM with it may not start for a token", id, key).
				advise("remove it", "qm set "+id+" --delete "+key))
		}
		if furtherNet.MatchString(key) {
			findings = append(findings, problem(Warning, "template %s has more than one network device (%s): labctl gives an address to the first", id, key).
				advise("remove it", "qm set "+id+" --delete "+key))
		}
	}
	return findings
}

var (
	rootOnly   = regexp.MustCompile(`^(args|hookscript|hostpci\d+|usb\d+|parallel\d+)$`) // PVE::API2::Qemu
	furtherNet = regexp.MustCompile(`^net[1-9]\d*$`)
)

// overruled are keys that a clone inherits and that labctl sets anew: worth a word, no more.
func overruled(s *seen, template inventory.Template) []Finding {
	id, config := template.Ref.ID.String(), template.Config
	var findings []Finding
	if config.Protection() {
		findings = append(findings, problem(Note, "template %s is protected; labctl takes the protection off its clones, so that they can be removed", id))
	}
	if config.Raw["onboot"] == "1" {
		findings = append(findings, problem(Note, "template %s has onboot; labctl switches it off in its clones", id))
	}
	if tags := config.Tags(); len(tags) > 0 {
		findings = append(findings, problem(Note, "template %s has the tags %s; labctl puts its own in their place on its clones", id, strings.Join(tags, ", ")))
	}
	for _, vm := range s.Lab.VMs {
		if slices.Contains(plan.Keys(s.Lab, vm, config), "scsihw") {
			return append(findings, problem(Note, "template %s has the SCSI controller %q; labctl gives its clones virtio-scsi-single, for the I/O threads", id, config.Raw["scsihw"]))
		}
	}
	return findings
}

// storageNames are those of the template's disks.
func storageNames(config inventory.Config) []string {
	var names []string
	for _, drive := range config.Drives() {
		if name, _, ok := strings.Cut(drive.Volume, ":"); ok {
			names = append(names, name)
		}
	}
	return names
}
