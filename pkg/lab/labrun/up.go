package labrun

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/guestsetup"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/plan"
	"labctl/pkg/lab/teardown"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// undoTime bounds the removal of what a failed `up` made.
const undoTime = 15 * time.Minute

// FactVMID is the fact of a ready VM by which it is known again.
const FactVMID = "vmid"

// UpOptions say how to bring a lab up.
type UpOptions struct {
	Readiness change.Readiness
	Keep      bool // leave what was made when something fails
	KeepGoing bool // the failure of one VM does not stop the others
}

// Up brings the lab up, or does what is left to do; changed says whether there was anything. What a failure leaves
// behind is removed again, also when ctx has ended; the error then holds an *change.LeftoverError for what could not be.
func (r *Run) Up(ctx context.Context, options UpOptions) (changed bool, err error) {
	found, err := r.settle(ctx, false)
	if err != nil {
		return false, err
	}
	todo, before, err := r.PlanUp(ctx)
	if err != nil || !hasSteps(todo) {
		return false, err
	}
	found.under(todo)
	if err := r.begin(found); err != nil {
		return true, err
	}
	if todo, err = r.planUploads(todo); err != nil {
		return true, err
	}
	return true, r.carryOut(ctx, todo, before, options)
}

// hasSteps says whether there is anything to do or to wait for.
func hasSteps(todo plan.Plan) bool {
	return slices.ContainsFunc(todo.Sequences, func(s plan.Sequence) bool { return len(s.Steps) > 0 })
}

// settle waits until nothing of an earlier process is under way, and returns the traces of runs whose state is lost. With
// discard, what is found is going to be removed: that takes nothing on trust.
func (r *Run) settle(ctx context.Context, discard bool) (traces, error) {
	logs := noLogs
	if discard {
		logs = allLogs
	}
	if !r.Active() {
		found, err := r.traces(ctx, logs)
		if !discard && err == nil && len(r.silent) > 0 {
			err = fmt.Errorf("node %s does not answer, and the lab spec or the journal names it: bring it back, or take it out of the lab spec", r.silent[0])
		}
		return found, err
	}
	if err := r.reconcile(ctx, discard); err != nil || !discard {
		return traces{}, err
	}
	if r.Journal.State().Damaged() {
		return r.traces(ctx, logs)
	}
	found, err := r.earlier(ctx)
	r.silent = nil // the journal says what is there
	return found, err
}

// PlanUp reads what exists and says what is to do.
func (r *Run) PlanUp(ctx context.Context) (plan.Plan, inventory.Observed, error) {
	observed, err := r.Observe(ctx)
	if err == nil {
		err = r.checkRuns(observed)
	}
	if err != nil {
		return plan.Plan{}, observed, err
	}
	if r.wanted, err = r.wantedFor(ctx, observed); err != nil {
		return plan.Plan{}, observed, err
	}
	todo, err := plan.Up(r.wanted)
	return todo, observed, err
}

// checkRuns refuses to go on with VMs of a run whose state is lost, and with it the key that opens them.
func (r *Run) checkRuns(observed inventory.Observed) error {
	state := r.Journal.State()
	if len(observed.Live) > 0 {
		return &ElsewhereError{Lab: r.Lab.Name, VMs: observed.Live}
	}
	for _, known := range teardown.With(teardown.Decide(observed, state, teardown.Words{}), teardown.Report) {
		if known.There == teardown.Unmarked || known.There == teardown.Perhaps {
			return whyReported(known) // a second VM of that name would be made
		}
	}
	for _, vm := range observed.VMs {
		if !state.Active() || vm.Mark.Run != state.Run.RunID {
			return fmt.Errorf("VM %s (%d) is of run %s of lab %s, whose state is not in %s: run `labctl down` first, which finds it by its mark",
				vm.Mark.VM, vm.Ref.ID, vm.Mark.Run, r.Lab.Name, r.dir)
		}
	}
	return nil
}

// seedFile is the name of a VM's cloud-init image on a storage.
func (r *Run) seedFile(vm string) string {
	name := inventory.UploadName{Lab: r.Lab.Name, Run: "RUN", For: vm, Owner: r.labs.OwnerOn(r.Server), State: r.labs.Store.ID(), Ext: "iso"}
	if r.Active() {
		name.Run = r.mark().Run
	}
	return name.FileName()
}

// seedMAC is the MAC address that a VM's image knows it by.
func (r *Run) seedMAC(vm string) string { return guestsetup.MAC(r.mark().Run, vm) }

// planUploads plans anew with the run's ID in the names of the images, once there is a run.
func (r *Run) planUploads(todo plan.Plan) (plan.Plan, error) {
	if r.Lab.CloudInit.Mode != labspec.CloudInitISO {
		return todo, nil
	}
	return plan.Up(r.wanted)
}

// isReady says whether the journal knows a running VM as ready.
func (r *Run) isReady(observed inventory.Observed) func(string) bool {
	state := r.Journal.State()
	return func(vm string) bool {
		found, ok := observed.VM(vm)
		return ok && state.Active() && state.Fact(vm, FactVMID) == found.Ref.ID.String()
	}
}

func numbers(ids []pve.VMID) []int {
	plain := make([]int, len(ids))
	for i, id := range ids {
		plain[i] = int(id)
	}
	return plain
}

// carryOut does what the plan says and takes it back when that fails.
func (r *Run) carryOut(ctx context.Context, todo plan.Plan, before inventory.Observed, options UpOptions) error {
	_, publicKey, err := r.Key()
	if err != nil {
		return err
	}
	executor := r.executor()
	executor.Lab, executor.KeepGoing, executor.Readiness = r.Lab, options.KeepGoing, options.Readiness
	executor.CloudInit = func(index int) []pve.Param { return r.cloudInit(index, publicKey) }
	executor.SeedImage = func(index int) ([]byte, error) { return guestsetup.Image(r.Lab, index, r.mark().Run, publicKey) }
	err = executor.Up(ctx, todo)
	if err == nil || options.Keep || options.KeepGoing {
		return err
	}
	why := "up failed"
	if errors.Is(context.Cause(ctx), context.Canceled) {
		why = "interrupted"
	}
	r.labs.Talk.Line("%s: removing what `up` made (keep it with --keep)", why)
	undo, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), undoTime, fmt.Errorf("gave up after %s", undoTime))
	defer cancel()
	return errors.Join(err, r.undo(undo, before))
}

// cloudInit are the cloud-init settings in PVE's encoding.
func (r *Run) cloudInit(index int, publicKey string) []pve.Param {
	var params []pve.Param
	for _, param := range guestsetup.Cloud(r.Lab, index) {
		params = append(params, pve.Param{Key: param.Key, Value: param.Value})
	}
	return append(params, pve.Param{Key: "sshkeys", Value: pve.EncodeSSHKeys(publicKey)})
}

// undo removes the VMs and uploads that this run made, and leaves those alone that were there before, and those of other runs.
func (r *Run) undo(ctx context.Context, before inventory.Observed) error {
	scope := r.scope()
	scope.Self.OneRun = true
	observed, err := inventory.Observe(ctx, r.Server.API, scope)
	if err != nil {
		return r.mayBeLeft(fmt.Errorf("undoing: %w", err))
	}
	was := func(name string) bool { _, ok := before.VM(name); return ok }
	state := r.Journal.State()
	all := slices.DeleteFunc(teardown.Decide(observed, state, r.labs.Words), func(k teardown.Known) bool { return was(k.Name) })
	todo := teardown.Removal(r.Lab.Name, all, state, nil)
	todo.Sequences = slices.DeleteFunc(todo.Sequences, func(s plan.Sequence) bool { return was(s.VM) })
	executor := r.executor()
	executor.Self = scope.Self
	if err := errors.Join(executor.Down(ctx, todo), reported(all)); err != nil {
		return err
	}
	if n := len(before.VMs); n > 0 {
		r.labs.Talk.Line("what was there before is left: `labctl up` goes on with it, `labctl down` removes it")
		return nil
	}
	return r.Forget()
}
