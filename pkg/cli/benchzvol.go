package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"labctl/pkg/bench/suite"
	"labctl/pkg/bench/zvol"
	"labctl/pkg/lab/guestsetup"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
	"labctl/pkg/remote"
)

// The facts of a target of the layer host-zvol.
const (
	factLayer  = "layer"
	factDevice = "device"
	factVolume = "volume"

	layerHostZvol = "host-zvol"
)

// rawDirectory is where fio works while it writes to a device; it leaves nothing there.
const rawDirectory = "/var/tmp"

// zvolTarget is the data disk of a stopped VM, measured from the host. Every write passes the interlocks first.
type zvolTarget struct {
	*remote.Host
	run    *labRun
	ref    pve.VMRef
	slot   string // of the data disk
	wanted zvol.Wanted
}

// benchZvol runs the suite on the layer host-zvol of one VM, which is stopped and whose data disk loses its content.
func (a *app) benchZvol(ctx context.Context, spec labrun.Spec, options benchOptions) error {
	lab := spec.Lab
	if lab.Host == nil {
		return usagef("--zvol %s: the lab has no host: to log in to", options.zvol)
	}
	if options.only != "" {
		return usagef("--only and --zvol: one of both")
	}
	if _, err := options.apply(lab); err != nil {
		return err
	}
	state, err := a.labStore().State(lab.Name)
	if err != nil {
		return err
	}
	if !state.Active() {
		return a.notUp(lab.Name)
	}
	run, err := a.openLab(ctx, spec)
	if err != nil {
		return err
	}
	id, err := run.measureZvol(ctx, options)
	if id != "" {
		err = errors.Join(err, a.showRun(id))
	}
	return errors.Join(err, run.Close())
}

// measureZvol stops the VM, checks, measures, and leaves the disk blank.
func (r *labRun) measureZvol(ctx context.Context, options benchOptions) (string, error) {
	target, found, err := r.zvolTarget(ctx, options.zvol)
	if err != nil {
		return "", err
	}
	if err := r.onDevice(target.wanted); err != nil {
		return "", err
	}
	login, directory, err := r.app.hostTarget(r.server, *r.Lab.Host)
	if err != nil {
		return "", err
	}
	if target.Host, err = remote.Connect(ctx, login); err != nil {
		return "", err
	}
	defer target.Close()
	facts, err := factsOf(ctx, target.Host, r.Lab.Host.Name, guestsetup.HostFacts(directory))
	if err != nil {
		return "", err
	}
	if found.Running {
		if err := target.check(ctx, beforeStop); err != nil { // a VM is not stopped for nothing
			return "", err
		}
		if err := r.Stop(ctx, found); err != nil {
			return "", err
		}
	}
	if err := target.blank(ctx, "wipefs", "--all", "--quiet", "--", target.wanted.Device); err != nil {
		return "", err
	}
	facts[factLayer], facts[factDevice], facts[factVolume], facts[factDirectory] = layerHostZvol, target.wanted.Device, target.wanted.Volume, rawDirectory
	id, err := r.runOnZvol(ctx, target, &machine{name: options.zvol + "-zvol", host: target.Host, facts: facts}, options.seed)
	r.app.progress().Line("%s", r.app.spellOut(fmt.Sprintf("VM %s is stopped and its data disk is blank: `labctl up` makes it ready again", options.zvol)))
	return id, errors.Join(err, target.discard(ctx))
}

// zvolTarget looks the VM and its data disk up.
func (r *labRun) zvolTarget(ctx context.Context, name string) (*zvolTarget, inventory.VM, error) {
	observed, err := r.look(ctx)
	if err != nil {
		return nil, inventory.VM{}, err
	}
	vm := r.vmSpec(name)
	found, ok := observed.VM(name)
	if !ok || vm.Name == "" {
		return nil, found, usagef("--zvol %s: the lab has no such VM that is up", name)
	}
	slot := plan.DataSlot(vm.DataDisk)
	disk, ok := found.Config.Drive(slot)
	if !ok {
		return nil, found, fmt.Errorf("VM %s (%d) has no data disk at %s: run `labctl up` first", name, found.Ref.ID, slot)
	}
	device, err := r.server.client.VolumePath(ctx, found.Ref.Node, disk.Volume)
	if err != nil {
		return nil, found, fmt.Errorf("looking up where node %s has %s: %w", found.Ref.Node, disk.Volume, err)
	}
	return &zvolTarget{run: r, ref: found.Ref, slot: slot, wanted: zvol.Wanted{
		VM: name, VMID: int(found.Ref.ID), Volume: disk.Volume, Device: device, SizeBytes: int64(vm.DataDisk.Size), Serial: labspec.DataDiskSerial,
		InSpec: slices.Contains(r.Lab.Host.Zvols, name), ByFlag: true,
	}}, found, nil
}

// onDevice turns the workloads of the lab into such that write to the device.
func (r *labRun) onDevice(wanted zvol.Wanted) error {
	for i := range r.Lab.Suite.Workloads {
		workload := &r.Lab.Suite.Workloads[i]
		job, err := zvol.OnDevice(workload.Job, wanted.Device, wanted.SizeBytes, labspec.FioBytes)
		if err != nil {
			return fmt.Errorf("workload %s on the layer %s: %w", workload.Name, layerHostZvol, err)
		}
		workload.Job = job
	}
	return nil
}

// runOnZvol runs the schedule on the device and records it.
func (r *labRun) runOnZvol(ctx context.Context, target *zvolTarget, m *machine, seed uint64) (string, error) {
	schedule := suite.Schedule(r.Lab.Suite, []string{m.name}, seed, suite.Filter{})
	record, err := r.describe(ctx, machines{m}, schedule, seed)
	if err != nil {
		return "", err
	}
	record.Notes = append(record.Notes, fmt.Sprintf("Layer %s: fio on the host wrote to %s, the data disk of VM %s, while the VM was stopped.",
		layerHostZvol, target.wanted.Device, target.wanted.VM))
	store, err := r.app.store()
	if err != nil {
		return "", err
	}
	writer, err := store.Create(record)
	if err != nil {
		return "", err
	}
	runner := &suite.Runner{
		RunID: writer.ID(), Targets: map[string]suite.Target{m.name: {Machine: target, Directory: rawDirectory}}, Rest: r.Lab.Suite.Rest,
		Files:    labspec.FilesReuse, // there are no files to remove
		Recorder: writer, Journal: r.Journal, Observer: &trialObserver{talk: r.app.progress()},
	}
	spent, runErr := runner.Run(ctx, schedule)
	return writer.ID(), r.finish(writer, spent, runErr)
}

// RunDetached starts fio only when every interlock agrees, with what PVE and the host say at this moment.
func (t *zvolTarget) RunDetached(ctx context.Context, command remote.Detached) (remote.DetachedResult, error) {
	if err := t.check(ctx, beforeWrite); err != nil {
		return remote.DetachedResult{}, err
	}
	return t.Host.RunDetached(ctx, command)
}

// moment is when the interlocks are asked.
type moment int

const (
	beforeStop moment = iota // the VM may still run, and so QEMU have the device open
	beforeWrite
)

// check asks PVE and the host anew.
func (t *zvolTarget) check(ctx context.Context, when moment) error {
	vm, err := t.vmState(ctx)
	if err != nil {
		return err
	}
	dataset := strings.TrimPrefix(t.wanted.Device, "/dev/zvol/")
	output, err := t.Run(ctx, remote.Command{Argv: []string{"sh", "-c", zvol.Capture, "labctl", t.wanted.Device, dataset}})
	if err != nil {
		return fmt.Errorf("looking at %s on the host: %w", t.wanted.Device, err)
	}
	device, err := zvol.Parse(output.Stdout)
	if err != nil {
		return err
	}
	if when == beforeStop {
		vm.Running, device.OpenBy = false, nil
	}
	return zvol.Check(t.wanted, vm, device)
}

// vmState is what PVE says of the VM now.
func (t *zvolTarget) vmState(ctx context.Context) (zvol.VMState, error) {
	client := t.run.server.client
	config, err := client.VMConfig(ctx, t.ref)
	if err != nil {
		return zvol.VMState{}, fmt.Errorf("reading VM %d: %w", t.ref.ID, err)
	}
	status, err := client.VMStatus(ctx, t.ref)
	if err != nil {
		return zvol.VMState{}, fmt.Errorf("reading the status of VM %d: %w", t.ref.ID, err)
	}
	mark, marked := inventory.ParseMark(config.Description())
	disk, _ := config.Drive(t.slot)
	size, _ := disk.SizeBytes()
	state := zvol.VMState{
		Running: status.Running(), Lock: config.Lock(), Template: config.Template(), Volume: disk.Volume, Serial: disk.Options["serial"], SizeBytes: size,
		Ours: marked && mark.Run == t.run.Journal.State().Run.RunID,
	}
	for _, drive := range config.Drives() {
		if drive.Volume == t.wanted.Volume {
			state.UsesVolume++
		}
	}
	return state, nil
}

// blank runs a command that overwrites the device, after the interlocks.
func (t *zvolTarget) blank(ctx context.Context, argv ...string) error {
	if err := t.check(ctx, beforeWrite); err != nil {
		return err
	}
	if _, err := t.Run(ctx, remote.Command{Argv: argv}); err != nil {
		return fmt.Errorf("blanking %s: %w", t.wanted.Device, err)
	}
	return nil
}

// discardTime bounds giving the blocks of the device back.
const discardTime = 5 * time.Minute

// discard gives the device's blocks back to the pool, also when the work was interrupted.
func (t *zvolTarget) discard(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	return t.blank(ctx, "blkdiscard", "--", t.wanted.Device)
}

// A zvol is measured as any other target.
var _ suite.Machine = (*zvolTarget)(nil)
