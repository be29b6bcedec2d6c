package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
	"labctl/pkg/sandbox"
)

func newStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status [LAB]",
		Short: "Show what exists of a lab",
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.loadKnown(args)
			if err != nil {
				return err
			}
			busy, err := journal.Held(a.labStore().Dir(file.Lab.Name) + ".lock")
			if err != nil {
				return err
			}
			return a.status(cmd.Context(), file, busy)
		},
	}
}

// labStatus is what `status` prints.
type labStatus struct {
	Lab     string     `json:"lab"`
	State   string     `json:"state"` // down, up, or partial
	RunID   string     `json:"run,omitempty"`
	Server  string     `json:"server,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	VMs     []vmStatus `json:"vms"`
	Open    []string   `json:"open_changes,omitempty"` // changes whose outcome is not known
	// Unproved says that the VMs are gone, and nothing proves that nothing of them is left.
	Unproved bool   `json:"unproved_removal,omitempty"`
	Busy     bool   `json:"busy"` // another labctl is at work on the lab
	Advice   string `json:"advice,omitempty"`
}

type vmStatus struct {
	Name    string `json:"name"`
	VMID    int    `json:"vmid,omitempty"`
	State   string `json:"state"` // absent, stopped, running, ready, or not in the spec any more
	Address string `json:"address,omitempty"`
	Drift   string `json:"drift,omitempty"`
}

// isOther says that the spec asks for another VM, or for none.
func (s vmStatus) isOther() bool { return s.Drift != "" || s.State == stateExtra }

// The states of a lab and of a VM.
const (
	stateDown    = "down"
	stateUp      = "up"
	statePartial = "partial"
	stateAbsent  = "absent"
	stateStopped = "stopped"
	stateRunning = "running"
	stateReady   = "ready"
	stateExtra   = "not in the spec any more"
)

// status reads the journal and the server, and takes no lock: it may be asked at any time. Busy says that another labctl
// is at work on the lab, which is not finished then, and needs no advice.
func (a *app) status(ctx context.Context, file labrun.Spec, busy bool) error {
	state, err := a.labStore().State(file.Lab.Name)
	if err != nil {
		return err
	}
	observed, url, err := a.statusObserve(ctx, file.Lab, state)
	if err != nil {
		return err
	}
	out := newLabStatus(file.Lab, state, observed)
	out.Server, out.Unproved = url, url != "" && isUnproved(state, observed) // without a sandbox there is nothing to prove
	if busy {
		out.isBusy()
	}
	up := "`labctl up`"
	if a.byName {
		up = "`labctl up FILE`" // `up` takes no name
	}
	out.Advice = a.spellOut(out.advice(state, up))
	if was := elsewhere(state, url); was != "" && a.flags.sandbox == "" {
		out.Unproved = false
		out.Advice = fmt.Sprintf("this lab was brought up on %s, and the configuration says %s: set pve.url to where the lab is", was, url)
	}
	return a.print(func(w io.Writer) error {
		if a.json() {
			return writeJSON(w, out)
		}
		return out.writeText(w)
	})
}

// elsewhere is the server on which the lab was brought up, when that is another one; a sandbox has a new URL each time.
func elsewhere(state *journal.State, url string) string {
	if !state.Active() || state.Run.Server == url {
		return ""
	}
	return state.Run.Server
}

// isBusy takes back what is only unfinished.
func (s *labStatus) isBusy() {
	s.Busy, s.Open, s.Unproved = true, nil, false
	for i := range s.VMs {
		s.VMs[i].Drift = ""
	}
}

// advice is what to do about a lab that is neither up nor down. Up is the command that brings it up.
func (s *labStatus) advice(state *journal.State, up string) string {
	switch {
	case s.Busy:
		return "another labctl is at work on this lab: wait until it is done"
	case s.State != stateDown && !state.Active():
		return "the state of this lab is lost: `labctl down` removes what there is"
	case s.Unproved:
		return "removal not proved: its VMs are gone, but perhaps not their volumes: `labctl down` removes what there is"
	case slices.ContainsFunc(s.VMs, vmStatus.isOther): // `up` goes on with no such lab
		return "the lab is not what its spec asks for: `labctl down` removes it, and then " + up + " makes it anew"
	case s.State == statePartial:
		return up + " does what is left to do, `labctl down` removes what there is"
	default:
		return ""
	}
}

// statusObserve looks at the server. A sandbox that does not run has nothing; it is not started for a look.
func (a *app) statusObserve(ctx context.Context, lab *labspec.Lab, state *journal.State) (inventory.Observed, string, error) {
	if a.flags.sandbox != "" {
		if _, err := sandbox.Find(a.sandboxDir()); errors.Is(err, sandbox.ErrNotRunning) {
			return inventory.Observed{}, "", nil
		}
	}
	server, err := a.connect(ctx)
	if err != nil {
		return inventory.Observed{}, "", err
	}
	observed, err := inventory.Observe(ctx, server.client, labrun.ScopeOf(lab, a.selfOn(server, lab.Name, state), state))
	return observed, server.url, errors.Join(err, observed.Unseen())
}

func newLabStatus(lab *labspec.Lab, state *journal.State, observed inventory.Observed) labStatus {
	out := labStatus{Lab: lab.Name, VMs: []vmStatus{}}
	if state.Active() {
		out.RunID, out.Expires = state.Run.RunID, &state.Run.Expires
	}
	present, ready := 0, 0
	for _, vm := range lab.VMs {
		status := newVMStatus(lab, vm, state, observed)
		if status.State != stateAbsent {
			present++
		}
		if status.State == stateReady && status.Drift == "" {
			ready++
		}
		out.VMs = append(out.VMs, status)
	}
	for _, found := range observed.VMs {
		if !slices.ContainsFunc(lab.VMs, func(vm labspec.VM) bool { return vm.Name == found.Mark.VM }) {
			out.VMs = append(out.VMs, vmStatus{Name: found.Mark.VM, VMID: int(found.Ref.ID), State: stateExtra})
		}
	}
	switch {
	case ready == len(lab.VMs) && len(out.VMs) == len(lab.VMs):
		out.State = stateUp
	case present == 0 && len(observed.VMs) == 0 && !state.Active():
		out.State = stateDown
	default:
		out.State = statePartial
	}
	out.Open = openChanges(state)
	return out
}

// isUnproved says that the VMs of a lab are gone, and the journal has no proof that nothing of them is left.
func isUnproved(state *journal.State, observed inventory.Observed) bool {
	return state.Active() && len(observed.VMs) == 0 && len(state.Touched()) > 0
}

// openChanges are the changes whose outcome is not known.
func openChanges(state *journal.State) []string {
	var open []string
	if !state.Active() {
		return nil
	}
	for _, intent := range state.Open {
		open = append(open, fmt.Sprintf("%s VM %s (%d) %s", intent.Op, intent.VM, intent.VMID, intent.UPID))
	}
	return open
}

func newVMStatus(lab *labspec.Lab, vm labspec.VM, state *journal.State, observed inventory.Observed) vmStatus {
	status := vmStatus{Name: vm.Name, State: stateAbsent}
	found, ok := observed.VM(vm.Name)
	if !ok {
		return status
	}
	status.VMID, status.State = int(found.Ref.ID), stateStopped
	if !found.Running {
		return status // `up` configures it anew before it starts it
	}
	status.State = stateRunning
	if state.Active() && state.Fact(vm.Name, labrun.FactVMID) == found.Ref.ID.String() {
		status.State, status.Address = stateReady, state.Fact(vm.Name, factAddress)
	}
	if drift := (*plan.DriftError)(nil); errors.As(plan.DriftWhenUp(lab, vm, status.VMID, found.Config), &drift) {
		status.Drift = drift.Differs()
	}
	return status
}

func (s labStatus) writeText(w io.Writer) error {
	text := fmt.Sprintf("lab %s is %s", s.Lab, s.State)
	if s.RunID != "" {
		text += fmt.Sprintf(" (run %s on %s)", s.RunID, s.Server)
	}
	rows := newTable(table.Row{"VM", "VMID", "STATE", "ADDRESS"})
	for _, vm := range s.VMs {
		id := "-"
		if vm.VMID != 0 {
			id = fmt.Sprint(vm.VMID)
		}
		rows.AppendRow(table.Row{vm.Name, id, vm.State, vm.Address})
	}
	text += "\n" + rows.Render() + "\n"
	for _, vm := range s.VMs {
		if vm.Drift != "" {
			text += vm.Drift + "\n"
		}
	}
	for _, open := range s.Open {
		text += "outcome unknown: " + open + "\n"
	}
	if s.Advice != "" {
		text += s.Advice + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
