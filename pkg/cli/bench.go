package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/bench/suite"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/labspec"
	"labctl/pkg/remote"
	"labctl/pkg/report"
	"labctl/pkg/results"
)

// benchOptions are the flags of `bench`.
type benchOptions struct {
	suite, only string
	zvol        string // name of the VM whose data disk is measured from the host
	blocks      *int   // nil: as the lab says
	seed        uint64
}

func (o *benchOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.suite, "suite", "", "`name` of the suite; the lab's own is the only one")
	cmd.Flags().Func("blocks", "how `often` every workload runs on every target (default: as the lab says)", func(text string) error {
		blocks, err := strconv.Atoi(text)
		o.blocks = &blocks
		return err
	})
	cmd.Flags().Uint64Var(&o.seed, "seed", 0, "seed of a random order (default: a new one)")
	cmd.Flags().StringVar(&o.only, "only", "", "run only `TARGET/WORKLOAD`; either side may be empty or *")
}

func newBench(a *app) *cobra.Command {
	var options benchOptions
	cmd := &cobra.Command{
		Use:   "bench [LAB]",
		Short: "Run the lab's suite on its VMs and on the host, and record the results",
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.loadLab(args)
			if err != nil {
				return err
			}
			if options.zvol != "" {
				return a.benchZvol(cmd.Context(), file, options)
			}
			_, err = a.bench(cmd.Context(), file, options)
			return err
		},
	}
	options.addFlags(cmd)
	cmd.Flags().StringVar(&options.zvol, "zvol", "", "measure the data disk of `VM` from the host (layer host-zvol): the VM is stopped, and the disk, which host.zvols must list, loses its content")
	return cmd
}

// apply changes the suite as the flags say.
func (o *benchOptions) apply(lab *labspec.Lab) (suite.Filter, error) {
	if o.suite != "" && o.suite != lab.Suite.Name {
		return suite.Filter{}, usagef("--suite %s: lab %s has the suite %s", o.suite, lab.Name, lab.Suite.Name)
	}
	if o.blocks != nil && (*o.blocks < 1 || *o.blocks > labspec.MaxBlocks) {
		return suite.Filter{}, usagef("--blocks %d: 1 to %d", *o.blocks, labspec.MaxBlocks)
	}
	if o.blocks != nil {
		lab.Suite.Blocks = *o.blocks
	}
	if o.seed == 0 {
		o.seed = uint64(rand.Uint32()) // short enough to be typed again
	}
	target, workload, _ := strings.Cut(o.only, "/")
	filter := suite.Filter{Target: strings.Trim(target, "*"), Workload: strings.Trim(workload, "*")}
	if len(suite.Schedule(lab.Suite, lab.Targets(), o.seed, filter)) == 0 {
		return filter, usagef("--only %s selects nothing: targets are %s; workloads are %s", o.only,
			strings.Join(lab.Targets(), ", "), strings.Join(workloadNames(lab), ", "))
	}
	return filter, nil
}

func workloadNames(lab *labspec.Lab) []string {
	var names []string
	for _, workload := range lab.Suite.Workloads {
		names = append(names, workload.Name)
	}
	return names
}

// bench runs the suite and prints the report. The ID is that of the recorded run, or "".
func (a *app) bench(ctx context.Context, spec labrun.Spec, options benchOptions) (string, error) {
	filter, err := options.apply(spec.Lab)
	if err != nil {
		return "", err
	}
	state, err := a.labStore().State(spec.Lab.Name)
	if err != nil {
		return "", err
	}
	if !state.Active() {
		return "", a.notUp(spec.Lab.Name)
	}
	run, err := a.openLab(ctx, spec)
	if err != nil {
		return "", err
	}
	a.mayLeave(spec.Lab.Name)
	id, err := run.measure(ctx, options, filter)
	if id != "" {
		err = errors.Join(err, a.showRun(id))
	}
	if isInterrupt(ctx) && !a.tearsDown {
		a.progress().Line("%s", a.spellOut(fmt.Sprintf("interrupted: lab %s is still up; remove it with `labctl down`", run.Lab.Name)))
	}
	return id, errors.Join(err, run.Close())
}

// notUp says that a lab is not up, and where it might be instead.
func (a *app) notUp(lab string) error {
	hint := ""
	if a.flags.sandbox == "" {
		for kind, flag := range map[string]string{sandboxHost: "--sandbox", sandboxQEMU: "--sandbox=qemu"} {
			other := app{flags: a.flags}
			other.flags.sandbox = kind
			if state, err := other.labStore().State(lab); err == nil && state.Active() {
				hint = " (it is up in the sandbox: add " + flag + ")"
			}
		}
	}
	return fmt.Errorf("lab %s is not up%s: run `labctl up` first", lab, hint)
}

// measure connects to all targets and runs the schedule; the ID is that of the recorded run.
func (r *labRun) measure(ctx context.Context, options benchOptions, filter suite.Filter) (string, error) {
	if err := r.cleanHost(ctx); err != nil {
		return "", err
	}
	schedule := suite.Schedule(r.Lab.Suite, r.Lab.Targets(), options.seed, filter)
	configs, err := r.checkVMs(ctx, schedule)
	if err != nil {
		return "", err
	}
	if r.fio, err = r.app.fioBinary(); err != nil {
		return "", err
	}
	machines, err := r.connectTargets(ctx, schedule)
	defer machines.close()
	defer r.endFio(ctx, machines)
	if err != nil {
		return "", err
	}
	machines.addConfigs(configs)
	if err := r.endOldTrials(ctx, machines); err != nil {
		return "", err
	}
	record, err := r.describe(ctx, machines, schedule, options.seed)
	if err != nil {
		return "", err
	}
	record.Plan.Filter = results.Filter(filter)
	store, err := r.app.store()
	if err != nil {
		return "", err
	}
	writer, err := store.Create(record)
	if err != nil {
		return "", err
	}
	runner := &suite.Runner{
		RunID: writer.ID(), Targets: machines.targets(), Rest: r.Lab.Suite.Rest, Files: r.Lab.Suite.Files,
		Recorder: writer, Journal: r.Journal, Observer: &trialObserver{talk: r.app.progress()},
	}
	spent, runErr := runner.Run(ctx, schedule)
	r.removeTestFiles(ctx, runner)
	return writer.ID(), r.finish(writer, spent, runErr)
}

// finish records how the run ended.
func (r *labRun) finish(writer *results.Writer, spent suite.Spent, runErr error) error {
	status, reason := results.StatusComplete, ""
	var failed *suite.FailedError
	switch {
	case runErr == nil:
	case errors.As(runErr, &failed):
		reason = fmt.Sprintf("%d trial(s) gave no numbers", len(failed.Failures))
	case errors.Is(runErr, context.Canceled) || errors.Is(runErr, errDeadline):
		status, reason = results.StatusInterrupted, runErr.Error()
	default:
		status, reason = results.StatusFailed, runErr.Error()
	}
	var overhead *results.Overhead
	if status == results.StatusComplete { // otherwise a trial that was cut off would count as overhead
		overhead = &results.Overhead{
			Wall: results.Duration(time.Since(r.app.begun)), Fio: results.Duration(spent.Fio), Rest: results.Duration(spent.Rest),
		}
	}
	return errors.Join(runErr, writer.Finish(status, reason, overhead), writer.Close())
}

// removeTestFiles deletes fio's files, unless the lab wants to reuse them. The VMs' go with their disks anyway.
func (r *labRun) removeTestFiles(ctx context.Context, runner *suite.Runner) {
	if r.Lab.Suite.Files != labspec.FilesFresh || r.Lab.Host == nil {
		return
	}
	target, ok := runner.Targets[r.Lab.Host.Name]
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	for _, workload := range r.Lab.Suite.Workloads {
		if err := suite.RemoveFiles(ctx, target, workload.Job); err != nil {
			r.app.progress().Line("%s: %v", r.Lab.Host.Name, err)
			return
		}
	}
}

// describe says what is measured, where and by what.
func (r *labRun) describe(ctx context.Context, machines machines, schedule []suite.Planned, seed uint64) (results.Run, error) {
	server, err := r.server.client.Version(ctx)
	if err != nil {
		return results.Run{}, fmt.Errorf("asking for the server's version: %w", err)
	}
	run := results.Run{
		Kind: results.KindMeasured, Lab: r.Lab.Name, Suite: r.Lab.Suite.Name, Title: r.Lab.Description,
		Blocks: r.Lab.Suite.Blocks, Seed: seed, Rest: results.Duration(r.Lab.Suite.Rest), FilePolicy: string(r.Lab.Suite.Files),
		Provenance: results.Provenance{
			LabctlVersion: version(), Spec: string(r.Text), SpecSHA256: r.SHA256(),
			PVEVersion: server.Version, PVENode: r.Lab.Node, Server: r.server.host(), LabRunID: r.Journal.State().Run.RunID, Sandbox: r.app.flags.sandbox,
		},
	}
	if r.server.sandbox != nil {
		run.Notes = append(run.Notes, sandboxNote(r.server.sandbox))
	}
	if r.server.sandbox == nil && machines.areProcesses() { // a sandbox that was configured like a real server
		run.Provenance.Sandbox = sandboxHost
		run.Notes = append(run.Notes, processesNote)
	}
	run.Notes = append(run.Notes, fioParity(machines)...)
	run.Plan.Order = string(r.Lab.Suite.Order)
	for _, planned := range schedule {
		cell := results.Cell{Block: planned.Block, Target: planned.Target, Workload: planned.Workload.Name}
		run.Plan.Cells = append(run.Plan.Cells, results.PlannedCell{Cell: cell})
	}
	for _, machine := range machines {
		run.Targets = append(run.Targets, machine.describe())
	}
	for _, workload := range r.Lab.Suite.Workloads {
		if slices.ContainsFunc(schedule, func(p suite.Planned) bool { return p.Workload.Name == workload.Name }) {
			run.Workloads = append(run.Workloads, results.Workload{Name: workload.Name, CommandLine: workload.Job.CommandLine()})
		}
	}
	return run, nil
}

// showRun prints the report of a run on standard output.
func (a *app) showRun(id string) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	run, err := store.Load(id)
	if err != nil {
		return err
	}
	format := report.Text
	if a.json() {
		format = report.JSON
	}
	return a.print(func(w io.Writer) error { return report.Write(w, format, run, a.reportOptions(run)) })
}

// reportOptions say where the raw data of a run is.
func (a *app) reportOptions(run *results.Run) report.Options {
	options := report.Options{Color: a.OutIsTerminal && !a.flags.noColor}
	if run.Kind != results.KindPublished {
		options.RawDir = filepath.Join(a.flags.results, run.ID)
	}
	return options
}

// What the suite needs is what these offer.
var (
	_ suite.Machine  = (*remote.Host)(nil)
	_ suite.Recorder = (*results.Writer)(nil)
)
