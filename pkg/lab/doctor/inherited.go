package doctor

import (
	"slices"
	"strings"

	"labctl/pkg/internal/shell"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
)

// refusedKeys finds keys with which `up` makes no VM.
func refusedKeys(f *Facts, template inventory.Template) []Finding {
	return inherited(f, template, plan.Refused)
}

// inheritedKeys finds keys that `up` resets in every clone, and those that stay.
func inheritedKeys(f *Facts, template inventory.Template) []Finding {
	return slices.Concat(inherited(f, template, plan.Reset), inherited(f, template, plan.Reported))
}

// inherited finds what the template hands on that is treated in one way.
func inherited(f *Facts, template inventory.Template, treatment plan.Treatment) []Finding {
	var findings []Finding
	for _, key := range plan.Inherited(f.Lab, template.Config) {
		if key.Treatment != treatment {
			continue
		}
		severity, what := Note, "its clones inherit"
		switch {
		case treatment == plan.Refused:
			severity, what = Error, "its clones would inherit, and only root may clear"
		case treatment == plan.Reset:
			what = "`up` resets in its clones"
		case key.Warns:
			severity = Warning
		}
		finding := problem(severity, "template %d has %s=%s, which %s: %s", template.Ref.ID, strings.ReplaceAll(key.Key, " ", "."), key.Value, what, key.Why)
		findings = append(findings, removal(finding, template, key))
	}
	return findings
}

// removal advises to delete a key. That touches the configuration alone: volumes are freed only for drives, unusedN and
// vmstate (qemu-server 9.2.6, PVE/API2/Qemu.pm 2295-2420), which no row of the table is.
func removal(finding Finding, template inventory.Template, key plan.Inheritance) Finding {
	command := shell.New("qm", "set").VMID(int(template.Ref.ID)).Words("--delete").Key(key.Key)
	switch {
	case key.Treatment == plan.Reset:
		return finding
	case key.IsOption():
		return finding.advise("change it in the template unless it is wanted; whoever clones it gets what it has")
	case key.Treatment == plan.Refused:
		return finding.advise("remove it, for everybody who clones the template, or let `labctl template build` make one", command)
	}
	return finding.advise("if it is not wanted, remove it, for everybody who clones the template", command)
}

// overruledKeys are keys that a clone inherits and that `up` sets anew: worth a word, no more.
func overruledKeys(f *Facts, template inventory.Template) []Finding {
	id, config := template.Ref.ID, template.Config
	var findings []Finding
	if config.Protection() {
		findings = append(findings, problem(Note, "template %d is protected; labctl takes the protection off its clones, so that they can be removed", id))
	}
	if config.Raw["onboot"] == "1" {
		findings = append(findings, problem(Note, "template %d has onboot; labctl switches it off in its clones", id))
	}
	if tags := config.Tags(); len(tags) > 0 {
		findings = append(findings, problem(Note, "template %d has the tags %s; labctl puts its own in their place on its clones", id, strings.Join(tags, ", ")))
	}
	changed := slices.ContainsFunc(f.Lab.VMs, func(vm labspec.VM) bool { return slices.Contains(plan.Keys(f.Lab, vm, config), "scsihw") })
	if changed {
		findings = append(findings, problem(Note, "template %d has the SCSI controller %q; labctl gives its clones virtio-scsi-single, for the I/O threads", id, config.Raw["scsihw"]))
	}
	return findings
}
