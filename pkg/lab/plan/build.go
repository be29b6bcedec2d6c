package plan

import (
	"fmt"
	"slices"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
)

// Wanted is what a plan for `up` is made from.
type Wanted struct {
	Lab       *labspec.Lab
	Templates map[string]inventory.Template // by the node that VMs are to be made on
	Observed  inventory.Observed
	VMIDs     []int                // free VMIDs for the VMs that do not exist yet, in the order of the spec
	IsReady   func(vm string) bool // the journal says that the running VM was found ready
	// SeedFile is the name of a VM's cloud-init image on the storage; it is used in the mode iso only.
	SeedFile func(vm string) string
	// MAC is a VM's MAC address, in the mode iso only: the image names it before the VM exists.
	MAC func(vm string) string
}

// Missing counts the VMs of the lab that do not exist.
func Missing(lab *labspec.Lab, observed inventory.Observed) int {
	n := 0
	for _, vm := range lab.VMs {
		if _, ok := observed.VM(vm.Name); !ok {
			n++
		}
	}
	return n
}

// Up says how to get from what exists to the lab that the spec describes.
func Up(wanted Wanted) (Plan, error) {
	plan := Plan{Lab: wanted.Lab.Name}
	for _, found := range wanted.Observed.VMs {
		if !slices.ContainsFunc(wanted.Lab.VMs, func(vm labspec.VM) bool { return vm.Name == found.Mark.VM }) {
			return Plan{}, fmt.Errorf("VM %s (%d) belongs to lab %s, but its spec does not have it any more: run `labctl down` and `labctl up` again",
				found.Mark.VM, int(found.Ref.ID), wanted.Lab.Name)
		}
	}
	free := wanted.VMIDs
	for i, vm := range wanted.Lab.VMs {
		var sequence Sequence
		var err error
		found, ok := wanted.Observed.VM(vm.Name)
		switch {
		case ok:
			sequence, err = existing(wanted, vm, found)
		case len(free) == 0:
			err = fmt.Errorf("planning VM %s: no free VMID was given", vm.Name)
		default:
			sequence, err = fresh(wanted, vm, free[0])
			free = free[1:]
		}
		if err != nil {
			return Plan{}, err
		}
		sequence.VM, sequence.Index = vm.Name, i
		plan.Sequences = append(plan.Sequences, sequence)
	}
	return plan, nil
}

// fresh is the whole way from the template to a ready VM.
func fresh(wanted Wanted, vm labspec.VM, vmid int) (Sequence, error) {
	lab := wanted.Lab
	template, ok := wanted.Templates[vm.Node]
	if !ok {
		return Sequence{}, fmt.Errorf("planning VM %s: no template for node %s was given", vm.Name, vm.Node)
	}
	slot, ok := OSSlot(template.Config)
	if !ok {
		return Sequence{}, fmt.Errorf("planning VM %s: template %d has no disk to boot from", vm.Name, int(template.Ref.ID))
	}
	clone := Clone{
		TemplateVMID: int(template.Ref.ID), TemplateNode: template.Ref.Node, Node: vm.Node, VMName: VMName(lab, vm),
		Pool: lab.Pool, Full: lab.Clone == labspec.CloneFull,
	}
	sequence := Sequence{Node: vm.Node, VMID: vmid, Steps: []Step{clone, configure(wanted, vm)}}
	if image, ok := seedImage(wanted, vm); ok {
		sequence.Steps = []Step{image, clone, configure(wanted, vm)}
	}
	grow, err := growth(vm, slot, template.Config)
	if err != nil {
		return Sequence{}, err
	}
	sequence.Steps = append(sequence.Steps, grow...)
	sequence.Steps = append(sequence.Steps, Start{}, Ready{})
	return sequence, nil
}

// existing is what is left to do for a VM that is there.
func existing(wanted Wanted, vm labspec.VM, found inventory.VM) (Sequence, error) {
	sequence := Sequence{Node: found.Ref.Node, VMID: int(found.Ref.ID), Exists: true}
	if found.Running {
		if err := DriftWhenUp(wanted.Lab, vm, sequence.VMID, found.Config); err != nil {
			return Sequence{}, err
		}
		if !wanted.IsReady(vm.Name) {
			sequence.Steps = []Step{Ready{}}
		}
		return sequence, nil
	}
	if Drift(wanted.Lab, vm, sequence.VMID, found.Config) != nil {
		if image, ok := seedImage(wanted, vm); ok {
			sequence.Steps = append(sequence.Steps, image) // whether the first upload was whole is not known
		}
		sequence.Steps = append(sequence.Steps, reconfigure(wanted, vm, found.Config))
	}
	slot, ok := OSSlot(found.Config)
	if !ok {
		return Sequence{}, fmt.Errorf("planning VM %s: VM %d has no disk to boot from: run `labctl down` first", vm.Name, sequence.VMID)
	}
	grow, err := growth(vm, slot, found.Config)
	if err != nil {
		return Sequence{}, err
	}
	sequence.Steps = append(sequence.Steps, grow...)
	sequence.Steps = append(sequence.Steps, Start{}, Ready{})
	return sequence, nil
}

// Keys are the configuration keys that `up` sets or unsets on a VM cloned from the template, but for those of cloud-init and the
// disks.
func Keys(lab *labspec.Lab, vm labspec.VM, template inventory.Config) []string {
	var keys []string
	for _, setting := range hardware(lab, vm, template) {
		keys = append(keys, setting.Key)
	}
	keys = append(keys, toReset(template)...)
	if lab.CloudInit.Mode == labspec.CloudInitISO {
		keys = append(keys, "net0", seedSlot(template))
	}
	return keys
}

// configure sets everything that the template does not say.
func configure(wanted Wanted, vm labspec.VM) Configure {
	config := wanted.Templates[vm.Node].Config
	settings := withSeed(hardware(wanted.Lab, vm, config), wanted, vm, config)
	return Configure{Settings: append(settings, Setting{DataSlot(vm.DataDisk), allocation(vm.DataDisk)}), Unset: toReset(config)}
}

// reconfigure sends everything again but never allocates a data disk twice: a failed configuration is half done, at
// random (pve-api lab-findings §46).
func reconfigure(wanted Wanted, vm labspec.VM, actual inventory.Config) Configure {
	settings := withSeed(hardware(wanted.Lab, vm, actual), wanted, vm, actual)
	slot := DataSlot(vm.DataDisk)
	value := allocation(vm.DataDisk)
	if disk, ok := actual.Drive(slot); ok {
		value = disk.Volume
		for _, option := range dataOptions(vm.DataDisk) {
			value += "," + option.Key + "=" + option.Value
		}
	}
	return Configure{Settings: append(settings, Setting{slot, value}), Unset: toReset(actual)}
}

// growth is the resize of the OS disk, if it is too small. A disk cannot shrink.
func growth(vm labspec.VM, slot string, actual inventory.Config) ([]Step, error) {
	disk, _ := actual.Drive(slot)
	size, ok := disk.SizeBytes()
	wanted := int64(vm.OSDisk.Size)
	switch {
	case !ok || size == wanted:
		return nil, nil
	case size > wanted:
		return nil, fmt.Errorf("planning VM %s: the template's disk %s has %s, which is more than osDisk.size %s, and a disk cannot shrink: raise osDisk.size",
			vm.Name, slot, labspec.Size(size), vm.OSDisk.Size)
	}
	return []Step{Grow{Disk: slot, FromBytes: size, ToBytes: wanted}}, nil
}
