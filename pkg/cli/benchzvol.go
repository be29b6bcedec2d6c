package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"labctl/pkg/bench/suite"
	"labctl/pkg/bench/zvol"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/lab/plan"
	"labctl/pkg/labspec"
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

// zvolTarget is the data disk of a VM, measured from the host. Every write passes the interlocks first.
type zvolTarget struct {
	*remote.Host
	disk *zvol.Disk
}

// RunDetached runs fio on the disk when every interlock agrees.
func (t *zvolTarget) RunDetached(ctx context.Context, command remote.Detached) (remote.DetachedResult, error) {
	return t.disk.Trial(ctx, command)
}

// zvolVM is the VM whose disk it is.
type zvolVM struct {
	run   *labRun
	found inventory.VM
	slot  string // of the data disk
}

// State is what PVE says of the VM now.
func (v *zvolVM) State(ctx context.Context) (zvol.VMState, error) {
	client, ref := v.run.server.client, v.found.Ref
	config, err := client.VMConfig(ctx, ref)
	if err != nil {
		return zvol.VMState{}, fmt.Errorf("reading VM %d: %w", ref.ID, err)
	}
	status, err := client.VMStatus(ctx, ref)
	if err != nil {
		return zvol.VMState{}, fmt.Errorf("reading the status of VM %d: %w", ref.ID, err)
	}
	mark, marked := inventory.ParseMark(config.Description())
	disk, _ := config.Drive(v.slot)
	size, _ := disk.SizeBytes()
	state := zvol.VMState{
		Running: status.Running(), Lock: config.Lock(), Template: config.Template(), Node: ref.Node,
		Volume: disk.Volume, Serial: disk.Options["serial"], SizeBytes: size, Ours: marked && mark.Run == v.run.Journal.State().Run.RunID,
	}
	for _, drive := range config.Drives() {
		if drive.Volume == disk.Volume {
			state.UsesVolume++
		}
	}
	return state, nil
}

// Stop stops the VM.
func (v *zvolVM) Stop(ctx context.Context) error { return v.run.Stop(ctx, v.found) }

// hostJournal notes what runs on the host as the host's, whatever the target is called: so it is found again.
type hostJournal struct {
	suite.Journal
	host string
}

// Detach notes a process of the host.
func (j hostJournal) Detach(_, id string) error { return j.Journal.Detach(j.host, id) }

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
	a.mayLeave(lab.Name)
	id, err := run.measureZvol(ctx, options)
	if id != "" {
		err = errors.Join(err, a.showRun(id))
	}
	return errors.Join(err, run.Close())
}

// measureZvol looks at everything while the VM runs; then the first trial stops the VM.
func (r *labRun) measureZvol(ctx context.Context, options benchOptions) (_ string, err error) {
	if err := r.cleanHost(ctx); err != nil {
		return "", err
	}
	disk, err := r.zvolDisk(ctx, options.zvol)
	if err != nil {
		return "", err
	}
	if err := r.onDevice(&disk.Wanted); err != nil {
		return "", err
	}
	if r.fio, err = r.app.fioBinary(); err != nil {
		return "", err
	}
	guest, host := &machine{name: options.zvol}, &machine{name: r.Lab.Host.Name}
	connected := machines{guest, host}
	defer connected.close()
	defer r.endFio(ctx, machines{host})
	for _, machine := range connected {
		if err := r.connectTarget(ctx, machine); err != nil {
			return "", err
		}
	}
	if disk.Wanted.Token, err = zvol.PlaceToken(ctx, guest.host, labspec.DataDiskSerial, r.vmSpec(options.zvol).DataDisk.Mount); err != nil {
		return "", err
	}
	disk.Host = host.host
	if err := r.onHost(ctx, disk, host, disk.Examine); err != nil {
		return "", err
	}
	facts := host.facts
	facts[factLayer], facts[factDevice], facts[factVolume], facts[factDirectory] = layerHostZvol, disk.Wanted.Device, disk.Wanted.Volume, rawDirectory
	id, err := r.runOnZvol(ctx, disk, &machine{name: options.zvol + "-zvol", host: host.host, fio: host.fio, facts: facts}, options.seed)
	return id, errors.Join(err, r.leaveZvol(ctx, disk, host))
}

// leaveZvol gives the blocks of a disk back that was written to, and says what became of the VM.
func (r *labRun) leaveZvol(ctx context.Context, disk *zvol.Disk, host *machine) error {
	if !disk.Emptied() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	err := r.onHost(ctx, disk, host, disk.Discard)
	left := "its data disk is blank"
	if err != nil {
		left = "its data disk holds what fio wrote"
	}
	r.app.progress().Line("%s", r.app.spellOut(fmt.Sprintf("VM %s is stopped and %s: `labctl up` makes it ready again", disk.Wanted.VM, left)))
	return err
}

// onHost runs a process on the host that the journal knows meanwhile.
func (r *labRun) onHost(ctx context.Context, disk *zvol.Disk, host *machine, work func(context.Context, string) error) error {
	id := fmt.Sprintf("zvol-%d-%d", disk.Wanted.VMID, time.Now().UnixNano())
	if err := r.Journal.Detach(host.name, id); err != nil {
		return err
	}
	err := work(ctx, id)
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), fioCopyTime)
	defer cancel()
	if stopErr := host.host.StopDetached(ending, id); stopErr != nil {
		return errors.Join(err, stopErr)
	}
	return errors.Join(err, r.Journal.Attached(id))
}

// zvolDisk looks the VM and its data disk up.
func (r *labRun) zvolDisk(ctx context.Context, name string) (*zvol.Disk, error) {
	observed, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	vm := r.vmSpec(name)
	found, ok := observed.VM(name)
	if !ok || vm.Name == "" {
		return nil, usagef("--zvol %s: the lab has no such VM that is up", name)
	}
	slot := plan.DataSlot(vm.DataDisk)
	disk, ok := found.Config.Drive(slot)
	if !ok {
		return nil, fmt.Errorf("VM %s (%d) has no data disk at %s: run `labctl up` first", name, found.Ref.ID, slot)
	}
	device, err := r.server.client.VolumePath(ctx, found.Ref.Node, disk.Volume)
	if err != nil {
		return nil, fmt.Errorf("looking up where node %s has %s: %w", found.Ref.Node, disk.Volume, err)
	}
	wanted := zvol.Wanted{
		VM: name, VMID: int(found.Ref.ID), Node: found.Ref.Node, Volume: disk.Volume, Device: device, SizeBytes: int64(vm.DataDisk.Size), Serial: labspec.DataDiskSerial,
		InSpec: slices.Contains(r.Lab.Host.Zvols, name), ByFlag: true,
	}
	nodes, err := r.server.client.Nodes(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking for the certificate of node %s: %w", found.Ref.Node, err)
	}
	for _, node := range nodes {
		if node.Name == found.Ref.Node && node.Fingerprint != "" {
			wanted.Certificates = []string{node.Fingerprint}
		}
	}
	return &zvol.Disk{
		VM: &zvolVM{run: r, found: found, slot: slot}, Wanted: wanted, Tell: func(text string) { r.app.progress().Line("%s", text) },
	}, nil
}

// onDevice turns the workloads of the lab into such that write to the device.
func (r *labRun) onDevice(wanted *zvol.Wanted) error {
	for i := range r.Lab.Suite.Workloads {
		workload := &r.Lab.Suite.Workloads[i]
		job, bytes, err := zvol.OnDevice(workload.Job, wanted.SizeBytes, labspec.FioBytes)
		if err != nil {
			return fmt.Errorf("workload %s on the layer %s: %w", workload.Name, layerHostZvol, err)
		}
		workload.Job = job
		wanted.NeedBytes = max(wanted.NeedBytes, bytes)
	}
	return nil
}

// runOnZvol runs the schedule on the device and records it.
func (r *labRun) runOnZvol(ctx context.Context, disk *zvol.Disk, m *machine, seed uint64) (string, error) {
	schedule := suite.Schedule(r.Lab.Suite, []string{m.name}, seed, suite.Filter{})
	record, err := r.describe(ctx, machines{m}, schedule, seed)
	if err != nil {
		return "", err
	}
	record.Notes = append(record.Notes, fmt.Sprintf("Layer %s: fio on the host wrote to %s, the data disk of VM %s, while the VM was stopped.",
		layerHostZvol, disk.Wanted.Device, disk.Wanted.VM))
	store, err := r.app.store()
	if err != nil {
		return "", err
	}
	writer, err := store.Create(record)
	if err != nil {
		return "", err
	}
	machine := &zvolTarget{Host: m.host, disk: disk}
	runner := &suite.Runner{
		RunID: writer.ID(), Targets: map[string]suite.Target{m.name: {Machine: machine, Directory: rawDirectory, Fio: m.fio}}, Rest: r.Lab.Suite.Rest,
		Files:    labspec.FilesReuse, // there are no files to remove
		Recorder: writer, Journal: hostJournal{Journal: r.Journal, host: r.Lab.Host.Name}, Observer: &trialObserver{talk: r.app.progress()},
	}
	spent, runErr := runner.Run(ctx, schedule)
	return writer.ID(), r.finish(writer, spent, runErr)
}

// discardTime bounds giving the blocks of the device back.
const discardTime = 5 * time.Minute

// A zvol is measured as any other target.
var _ suite.Machine = (*zvolTarget)(nil)
