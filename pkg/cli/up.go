package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/apply"
	"labctl/pkg/internal/ui"
	"labctl/pkg/inventory"
	"labctl/pkg/labspec"
	"labctl/pkg/plan"
	"labctl/pkg/pve"
	"labctl/pkg/seed"
)

// undoTime bounds the removal of what a failed `up` made.
const undoTime = 15 * time.Minute

// upOptions are the flags of `up`.
type upOptions struct {
	keepGoing, keep bool
	quiet           bool // nothing on standard output: `up` is a part of `run`
}

func (o *upOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.keepGoing, "keep-going", false, "the failure of one VM does not stop the others")
	cmd.Flags().BoolVar(&o.keep, "keep", false, "leave what was made when something fails, for a look at it")
}

func newUp(a *app) *cobra.Command {
	var options upOptions
	cmd := &cobra.Command{
		Use:   "up [LAB]",
		Short: "Bring a lab up: clone, configure and start its VMs and wait until they can be measured",
		Args:  exactLab,
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.loadLab(args)
			if err != nil {
				return err
			}
			return a.up(cmd.Context(), file, options)
		},
	}
	options.addFlags(cmd)
	return cmd
}

// up brings a lab up, or does what is left to do. What a failure leaves behind is removed again.
func (a *app) up(ctx context.Context, file labFile, options upOptions) error {
	begun := time.Now()
	run, err := a.openLab(ctx, file)
	if err != nil {
		return err
	}
	var todo plan.Plan
	var before inventory.Observed
	if err = run.reconcile(ctx); err == nil {
		todo, before, err = run.planUp(ctx)
	}
	if err == nil {
		err = run.carryOut(ctx, todo, before, options)
	}
	switch {
	case err != nil && !run.journal.State().Active():
		err = errors.Join(err, run.forget(), a.stopIfUnused(ctx, run))
	case err == nil && todo.Changes() == 0 && !waits(todo):
		a.progress().Line("lab %s is up already; nothing to change", run.lab.Name)
	case err == nil:
		a.progress().Line("lab %s is up: %s in %s", run.lab.Name, ui.Count(len(run.lab.VMs), "VM"), ui.Short(time.Since(begun)))
	}
	if err == nil && a.json() && !options.quiet {
		err = a.status(ctx, file)
	}
	return errors.Join(err, run.close())
}

// waits says whether the plan has to wait for a guest.
func waits(todo plan.Plan) bool {
	for _, sequence := range todo.Sequences {
		if len(sequence.Steps) > 0 {
			return true
		}
	}
	return false
}

// planUp reads what exists and says what is to do.
func (r *labRun) planUp(ctx context.Context) (plan.Plan, inventory.Observed, error) {
	observed, err := r.observe(ctx)
	if err != nil {
		return plan.Plan{}, observed, err
	}
	todo, err := r.planFor(ctx, observed)
	return todo, observed, err
}

func (r *labRun) planFor(ctx context.Context, observed inventory.Observed) (plan.Plan, error) {
	template, err := observed.FindTemplate(ctx, r.server.client, r.lab.Node, pve.VMID(r.lab.Template.VMID), r.lab.Template.Name)
	if err != nil {
		return plan.Plan{}, err
	}
	if err := inventory.CheckStorages(ctx, r.server.client, r.lab.Node, r.lab.Storages()); err != nil {
		return plan.Plan{}, err
	}
	free, err := observed.FreeVMIDs(ctx, r.server.client, r.scope(), plan.Missing(r.lab, observed))
	if err != nil {
		return plan.Plan{}, err
	}
	return plan.Up(plan.Wanted{Lab: r.lab, Template: template, Observed: observed, VMIDs: numbers(free), IsReady: r.isReady(observed)})
}

// isReady says whether the journal knows a running VM as ready.
func (r *labRun) isReady(observed inventory.Observed) func(string) bool {
	state := r.journal.State()
	return func(vm string) bool {
		found, ok := observed.VM(vm)
		return ok && state.Active() && state.Fact(vm, factVMID) == found.Ref.ID.String()
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
func (r *labRun) carryOut(ctx context.Context, todo plan.Plan, before inventory.Observed, options upOptions) error {
	if !waits(todo) {
		return nil
	}
	if err := r.begin(); err != nil {
		return err
	}
	_, publicKey, err := r.key()
	if err != nil {
		return err
	}
	executor := r.executor()
	executor.Lab, executor.KeepGoing = r.lab, options.keepGoing
	executor.CloudInit = func(index int) []pve.Param { return cloudInit(r.lab, index, publicKey) }
	executor.Readiness = &readiness{run: r}
	err = executor.Up(ctx, todo)
	if err == nil || options.keep || options.keepGoing {
		return err
	}
	why := "up failed"
	if isInterrupt(ctx) {
		why = "interrupted"
	}
	r.app.progress().Line("%s: removing what `up` made (keep it with --keep)", why)
	undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	return errors.Join(err, r.undo(undo, before))
}

// undo removes the VMs that were made, and leaves those alone that were there before.
func (r *labRun) undo(ctx context.Context, before inventory.Observed) error {
	observed, err := r.observe(ctx)
	if err != nil {
		return fmt.Errorf("undoing: %w: run `labctl down` to remove what was made", err)
	}
	removal := plan.Down(r.lab.Name, observed)
	removal.Sequences = slices.DeleteFunc(removal.Sequences, func(s plan.Sequence) bool {
		return slices.ContainsFunc(before.VMs, func(vm inventory.VM) bool { return int(vm.Ref.ID) == s.VMID })
	})
	r.nameGone(&removal)
	if err := errors.Join(r.executor().Down(ctx, removal), unreadable(observed)); err != nil {
		return err
	}
	if len(before.VMs) > 0 {
		return nil
	}
	return r.forget()
}

// executor carries out plans for this lab.
func (r *labRun) executor() *apply.Executor {
	return &apply.Executor{
		API: r.server.client, Journal: r.journal, Observer: &stepObserver{talk: r.app.progress()}, Pool: r.lab.Pool, Mark: r.mark(),
	}
}

// cloudInit are the cloud-init settings in PVE's encoding.
func cloudInit(lab *labspec.Lab, index int, publicKey string) []pve.Param {
	var params []pve.Param
	for _, param := range seed.Cloud(lab, index) {
		params = append(params, pve.Param{Key: param.Key, Value: param.Value})
	}
	return append(params, pve.Param{Key: "sshkeys", Value: pve.EncodeSSHKeys(publicKey)})
}
