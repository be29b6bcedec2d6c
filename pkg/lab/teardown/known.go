package teardown

import (
	"cmp"
	"slices"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/pve"
)

// Known is everything that is known of one VMID when a lab is removed, and what follows from it.
type Known struct {
	Name     string // the VM's name in the lab spec; "" when nothing tells
	Ref      pve.VMRef
	There    There
	Journal  Journal
	Word     Word
	VM       inventory.VM // as it was read; the zero value when it was not
	Formerly []string     // other nodes where the journal has the VMID, and where volumes may be left
	Row      Row          // of the table
}

// Words are what the person at work says: IDs of VMIDs, and in Leave of volumes too.
type Words struct{ Leave, Take []string }

// of is what is said of a VMID.
func (w Words) of(id pve.VMID) Word {
	switch {
	case slices.Contains(w.Take, id.String()):
		return Take
	case slices.Contains(w.Leave, id.String()):
		return Leave
	}
	return Silence
}

// Decide joins what was observed with what the journal says, and decides each VMID by the table. The VMs of the lab come
// first, each VMID once.
func Decide(observed inventory.Observed, state *journal.State, words Words) []Known {
	var all []Known
	add := func(there There, ref pve.VMRef, vm inventory.VM) {
		if !slices.ContainsFunc(all, func(k Known) bool { return k.Ref.ID == ref.ID && there != Gone }) {
			all = append(all, newKnown(there, ref, vm, state, words))
		}
	}
	for _, vm := range observed.VMs {
		add(Ours, vm.Ref, vm)
	}
	for _, ref := range observed.Gone {
		add(Gone, ref, inventory.VM{})
	}
	for _, vm := range observed.Live {
		add(Live, vm.Ref, vm)
	}
	for _, vm := range observed.Foreign {
		add(identify(vm, state.Known(int(vm.Ref.ID))), vm.Ref, vm)
	}
	for _, ref := range observed.Unreadable {
		there := Unreadable
		if state.Known(int(ref.ID)).Unproved {
			there = HalfMade
		}
		add(there, ref, inventory.VM{})
	}
	for _, ref := range observed.Unreachable {
		add(Unreachable, ref, inventory.VM{})
	}
	return all
}

func newKnown(there There, ref pve.VMRef, vm inventory.VM, state *journal.State, words Words) Known {
	record := state.Known(int(ref.ID))
	known := Known{Name: cmp.Or(vm.Mark.VM, record.Name), Ref: ref, There: there, Journal: journalOf(record), Word: words.of(ref.ID), VM: vm}
	if there != Ours && there != Live {
		known.Name = record.Name // a mark that is not ours names nothing of ours
	}
	for _, one := range state.VMs {
		if pve.VMID(one.VMID) == ref.ID && one.Node != ref.Node && !slices.Contains(known.Formerly, one.Node) {
			known.Formerly = append(known.Formerly, one.Node)
		}
	}
	known.Row = decide(known.There, known.Journal, known.Word)
	return known
}

// journalOf is what the journal says of a VMID.
func journalOf(record journal.VM) Journal {
	switch {
	case record.Made():
		return Made
	case record.Killed:
		return Killed
	case record.Listed:
		return Listed
	}
	return Nothing
}

// identify says what a VM without a mark of ours is, at a VMID that the journal knows.
func identify(vm inventory.VM, record journal.VM) There {
	made := record.Has(journal.OpClone) || record.Has(journal.OpCreate)
	_, noted := inventory.ParseTemplateNote(vm.Config.Description())
	switch {
	case !record.Made() || record.Destroyed():
		return Foreign
	case vm.Config.Template() && noted:
		return Foreign // a finished template is nobody's lab any more
	case record.UUID != "" && record.UUID == vm.Config.SMBIOSUUID():
		return Unmarked
	case record.UUID == "" && made:
		return Perhaps // nobody read the configuration of the VM that was made
	}
	return Foreign
}

// IsMadeByRun says whether a VM without its mark is one that the journal's run made and did not destroy, as far as its SMBIOS
// UUID and the journal tell. It is asked again right before a VM is destroyed at a person's word.
func IsMadeByRun(id pve.VMID, config pve.VMConfig, record journal.VM) bool {
	return identify(inventory.VM{Ref: pve.VMRef{ID: id}, Config: config}, record) != Foreign
}

// With are those of a list for which one of the actions was decided.
func With(all []Known, actions ...Action) []Known {
	return slices.DeleteFunc(slices.Clone(all), func(k Known) bool { return !slices.Contains(actions, k.Row.Action) })
}
