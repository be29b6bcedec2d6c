package change

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
	"labctl/pkg/lab/teardown"
	"labctl/pkg/pve"
)

// Up carries out a plan of plan.Up, VMs side by side. The first failure stops new steps of the others, unless KeepGoing;
// what was sent already is seen through. The error joins those of all VMs.
func (e *Executor) Up(ctx context.Context, todo plan.Plan) error {
	ctx, halt := context.WithCancelCause(ctx)
	defer halt(nil)
	for _, sequence := range todo.Sequences {
		e.vmids.claim(pve.VMID(sequence.VMID))
	}
	var wait sync.WaitGroup
	failures := make([]error, len(todo.Sequences))
	for i, sequence := range todo.Sequences {
		wait.Go(func() {
			err := e.raise(ctx, sequence)
			if err != nil && !e.KeepGoing {
				halt(errHalted)
			}
			failures[i] = err
		})
	}
	wait.Wait()
	return joinFailures(failures)
}

var errHalted = errors.New("stopped because another VM failed")

// joinFailures drops the VMs that only stopped because another one failed.
func joinFailures(failures []error) error {
	var own []error
	for _, err := range failures {
		if err != nil && !errors.Is(err, errHalted) {
			own = append(own, err)
		}
	}
	return errors.Join(own...)
}

// raise runs the steps of one VM.
func (e *Executor) raise(ctx context.Context, sequence plan.Sequence) error {
	if len(sequence.Steps) == 0 {
		return nil
	}
	vm := VM{Spec: e.Lab.VMs[sequence.Index], Index: sequence.Index, Ref: pve.VMRef{Node: sequence.Node, ID: pve.VMID(sequence.VMID)}}
	for _, step := range sequence.Steps {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := e.step(vm.Spec.Name, step, func() error { return e.raiseStep(ctx, &vm, step) }); err != nil {
			return err
		}
	}
	return nil
}

func (e *Executor) raiseStep(ctx context.Context, vm *VM, step plan.Step) error {
	switch step := step.(type) {
	case plan.Upload:
		return e.upload(ctx, vm, step)
	case plan.Clone:
		return e.allocating(ctx, vm.Ref.Node, func() error { return e.clone(ctx, vm, step) })
	case plan.Configure:
		return e.allocating(ctx, vm.Ref.Node, func() error { return e.configure(ctx, vm, step) })
	case plan.Grow:
		return e.grow(ctx, vm, step)
	case plan.Start:
		return e.start(ctx, vm)
	case plan.Ready:
		return e.ready(ctx, vm)
	default:
		return fmt.Errorf("VM %s: step %s does not belong into up", vm.Spec.Name, step.Name())
	}
}

// clone makes the VM with our mark in it from the first moment, on another VMID if somebody took the planned one or left
// a volume behind under it.
func (e *Executor) clone(ctx context.Context, vm *VM, step plan.Clone) error {
	for {
		err := e.do(ctx, e.cloneChange(*vm, step))
		if !errors.Is(err, pve.ErrVMIDTaken) && !errors.Is(err, pve.ErrLeftover) {
			return err
		}
		id, idErr := e.nextVMID(ctx)
		if idErr != nil {
			return errors.Join(err, idErr)
		}
		vm.Ref.ID = id
	}
}

func (e *Executor) cloneChange(vm VM, step plan.Clone) change {
	source := pve.VMRef{Node: step.TemplateNode, ID: pve.VMID(step.TemplateVMID)}
	request := pve.CloneRequest{
		Source: source, NewID: vm.Ref.ID, Name: step.VMName, Pool: step.Pool,
		Description: e.mark(vm.Spec.Name, vm.Ref.ID), Full: step.Full,
	}
	if source.Node != vm.Ref.Node {
		request.Target = vm.Ref.Node
	}
	return change{
		op: journal.OpClone, vm: vm.Spec.Name, ref: vm.Ref, detail: step.Detail(),
		send:     tasked(func(ctx context.Context) (pve.UPID, error) { return e.API.Clone(ctx, request) }),
		happened: func(ctx context.Context) (bool, error) { return e.isOurs(ctx, vm.Ref) },
		tasks:    pve.TaskFilter{Type: "qmclone", VMID: source.ID}, // filed under the source
		at:       source.Node,
		undone:   pve.ErrLeftover,
		abort:    abortCopy, // a linked clone copies nothing
	}
}

// isOurs says whether the VM carries this run's mark. A clone becomes readable for a pool's token only when it has
// joined the pool, as its task ends.
func (e *Executor) isOurs(ctx context.Context, ref pve.VMRef) (bool, error) {
	config, err := e.API.VMConfig(ctx, ref)
	if errors.Is(err, pve.ErrNotFound) || errors.Is(err, pve.ErrPermission) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	mark, ok := inventory.ParseMark(config.Description())
	return ok && mark.Run == e.Mark.Run && config.Lock() == "", nil
}

// configPatience is how long PVE may take to answer a configuration before it answers with a task instead: long enough
// for a disk on an ordinary server, well below the 30 s after which pveproxy gives up.
const configPatience = 15 * time.Second

// configure sends the whole configuration in one request, reads it back and compares.
func (e *Executor) configure(ctx context.Context, vm *VM, step plan.Configure) error {
	var params []pve.Param
	for _, setting := range step.Settings {
		params = append(params, pve.Param{Key: setting.Key, Value: setting.Value})
	}
	params = append(params, e.CloudInit(vm.Index)...)
	update := pve.ConfigChange{Set: params, Delete: step.Unset, BackgroundDelay: configPatience}
	matches := func(ctx context.Context) (bool, error) {
		config, err := e.API.VMConfig(ctx, vm.Ref)
		update.Set = withoutMade(params, config)
		return err == nil && plan.Drift(e.Lab, vm.Spec, int(vm.Ref.ID), config) == nil, err
	}
	send := change{
		op: journal.OpConfigure, vm: vm.Spec.Name, ref: vm.Ref,
		send: func(ctx context.Context) (pve.UPID, bool, error) {
			return e.API.SetVMConfig(ctx, vm.Ref, update)
		},
		happened: matches, tasks: pve.TaskFilter{VMID: vm.Ref.ID}, again: true,
	}
	err := e.do(ctx, send)
	if errors.Is(err, pve.ErrTagRestricted) { // the tag is for people's eyes only: the mark in the description decides
		params = slices.DeleteFunc(params, func(p pve.Param) bool { return p.Key == "tags" })
		update.Set = params
		err = e.do(ctx, send)
	}
	if err != nil {
		return err
	}
	return e.readBack(ctx, vm)
}

// newDisk matches the value of a setting that makes PVE allocate a disk, such as "zfs:64,cache=none".
var newDisk = regexp.MustCompile(`^[^:,]+:[0-9.]+(,|$)`)

// withoutMade drops the disks that the configuration has already: sent again, each would be allocated once more. The other
// settings of a request are taken in any order, so that a part of them proves nothing (pve-api lab-findings §46).
func withoutMade(params []pve.Param, config pve.VMConfig) []pve.Param {
	return slices.DeleteFunc(slices.Clone(params), func(p pve.Param) bool {
		_, made := config.Drive(p.Key)
		return made && newDisk.MatchString(p.Value)
	})
}

func (e *Executor) readBack(ctx context.Context, vm *VM) error {
	config, err := e.API.VMConfig(ctx, vm.Ref)
	if err != nil {
		return fmt.Errorf("reading VM %s (%d) back: %w", vm.Spec.Name, vm.Ref.ID, err)
	}
	vm.Config = config
	seen := journal.Seen{VM: vm.Spec.Name, Node: vm.Ref.Node, VMID: int(vm.Ref.ID), UUID: config.SMBIOSUUID(), Disks: teardown.DisksOf(config, vm.Ref.ID)}
	if known := e.Journal.State().Known(seen.VMID); known.UUID != seen.UUID && seen.UUID != "" {
		if err := e.Journal.See(seen); err != nil {
			return err
		}
	}
	return plan.Drift(e.Lab, vm.Spec, int(vm.Ref.ID), config)
}

func (e *Executor) grow(ctx context.Context, vm *VM, step plan.Grow) error {
	return e.do(ctx, change{
		op: journal.OpResize, vm: vm.Spec.Name, ref: vm.Ref, detail: step.Detail(),
		send: tasked(func(ctx context.Context) (pve.UPID, error) { return e.API.Resize(ctx, vm.Ref, step.Disk, step.ToBytes) }),
		happened: func(ctx context.Context) (bool, error) {
			config, err := e.API.VMConfig(ctx, vm.Ref)
			disk, _ := config.Drive(step.Disk)
			size, _ := disk.SizeBytes()
			return err == nil && size == step.ToBytes, err
		},
		tasks: pve.TaskFilter{VMID: vm.Ref.ID}, again: true,
	})
}

func (e *Executor) start(ctx context.Context, vm *VM) error {
	err := e.do(ctx, change{
		op: journal.OpStart, vm: vm.Spec.Name, ref: vm.Ref, disks: teardown.DisksOf(vm.Config, vm.Ref.ID),
		send:     tasked(func(ctx context.Context) (pve.UPID, error) { return e.API.Start(ctx, vm.Ref) }),
		happened: func(ctx context.Context) (bool, error) { return e.isRunning(ctx, vm.Ref) },
		tasks:    pve.TaskFilter{VMID: vm.Ref.ID},
		inspect:  startedAsAsked, again: true,
	})
	if err != nil {
		return err
	}
	return e.readStarted(ctx, vm)
}

// startedAsAsked refuses a start in which qemu-server left out what is to be measured, such as an I/O thread on a
// controller that has none (QemuServer.pm, config_to_command).
func startedAsAsked(status pve.TaskStatus) error {
	for _, line := range status.Log {
		if strings.Contains(line, "iothread is only valid") {
			return fmt.Errorf("PVE started the VM without what was asked for: %s", line)
		}
	}
	return nil
}

func (e *Executor) isRunning(ctx context.Context, ref pve.VMRef) (bool, error) {
	status, err := e.API.VMStatus(ctx, ref)
	return err == nil && status.Status == "running", err
}

func (e *Executor) ready(ctx context.Context, vm *VM) error {
	if vm.Config.Description() == "" {
		if err := e.readBack(ctx, vm); err != nil {
			return err
		}
	}
	facts, err := e.Readiness.Await(ctx, *vm)
	if err != nil {
		return err
	}
	return e.Journal.Learn(vm.Spec.Name, facts)
}
