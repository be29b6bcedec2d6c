package teardown

import (
	"slices"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
)

// Removal is the plan that carries the decisions out: VMs first, then VMIDs to look at, then uploads. What is only to be
// reported, kept or ignored is not in it.
func Removal(lab string, all []Known, state *journal.State, uploads []inventory.Upload) plan.Plan {
	todo := plan.Plan{Lab: lab}
	for _, known := range all {
		if steps := steps(known); len(steps) > 0 {
			todo.Sequences = append(todo.Sequences, plan.Sequence{
				VM: known.Name, Node: known.Ref.Node, VMID: int(known.Ref.ID), Exists: known.There != Gone, Formerly: known.Formerly, Steps: steps,
			})
		}
	}
	free := func(name, node, volume string) {
		todo.Sequences = append(todo.Sequences, plan.Sequence{VM: name, Node: node, Exists: true, Steps: []plan.Step{plan.Free{Volume: volume}}})
	}
	journalled := state.Uploads()
	for _, upload := range journalled {
		free(upload.VM, upload.Node, upload.Volume)
	}
	for _, upload := range uploads {
		if !slices.ContainsFunc(journalled, func(k journal.Upload) bool { return k.Node == upload.Node && k.Volume == upload.Volume.ID }) {
			free(upload.Name.For, upload.Node, upload.Volume.ID)
		}
	}
	return todo
}

// steps are what carries one decision out.
func steps(known Known) []plan.Step {
	switch known.Row.Action {
	case Remove:
		steps := []plan.Step{plan.Destroy{}, plan.Prove{}}
		if known.VM.Running {
			steps = slices.Insert(steps, 0, plan.Step(plan.Stop{ByHA: known.VM.ByHA}))
		}
		return steps
	case Prove:
		return []plan.Step{plan.Prove{}}
	case Look:
		return []plan.Step{plan.Prove{LookOnly: true}}
	case ProveBeside:
		return []plan.Step{plan.Prove{Beside: true}}
	case Keep, Ignore, Report, Refuse:
	}
	return nil
}
