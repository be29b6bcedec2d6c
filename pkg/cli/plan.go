package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/bench/suite"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/lab/plan"
)

func newPlan(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "plan [LAB]",
		Short: "Show what `up` would do and how long `bench` would take, and change nothing",
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.loadLab(args)
			if err != nil {
				return err
			}
			return a.plan(cmd.Context(), file)
		},
	}
}

// planned is what `plan` prints.
type planned struct {
	Lab     string          `json:"lab"`
	Changes int             `json:"changes"`
	VMs     []plan.Sequence `json:"vms"`
	Suite   plannedSuite    `json:"suite"`
}

type plannedSuite struct {
	Name        string   `json:"name"`
	Targets     []string `json:"targets"`
	Workloads   []string `json:"workloads"`
	Blocks      int      `json:"blocks"`
	Trials      int      `json:"trials"`
	AtLeast     string   `json:"takes_at_least"`
	CommandLine []string `json:"command_lines"`
}

func (a *app) plan(ctx context.Context, file labrun.Spec) error {
	run, err := a.openLab(ctx, file)
	if err != nil {
		return err
	}
	todo, _, err := run.PlanUp(ctx)
	if err == nil {
		out := planned{Lab: run.Lab.Name, Changes: todo.Changes(), VMs: todo.Sequences, Suite: planSuite(run)}
		err = a.print(out.writer(a.json()))
	}
	if !run.Journal.State().Active() {
		err = errors.Join(err, run.Forget())
	}
	if run.server.started {
		err = errors.Join(err, a.stopIfUnused(ctx, run.server))
	}
	return errors.Join(err, run.Close())
}

func planSuite(run *labRun) plannedSuite {
	wanted := run.Lab.Suite
	schedule := suite.Schedule(wanted, run.Lab.Targets(), 0, suite.Filter{})
	out := plannedSuite{
		Name: wanted.Name, Targets: run.Lab.Targets(), Blocks: wanted.Blocks, Trials: len(schedule),
		AtLeast: suite.Estimate(schedule, wanted.Rest).Round(time.Second).String(),
	}
	for _, workload := range wanted.Workloads {
		out.Workloads = append(out.Workloads, workload.Name)
		out.CommandLine = append(out.CommandLine, workload.Job.CommandLine())
	}
	return out
}

func (p planned) writer(asJSON bool) func(io.Writer) error {
	if asJSON {
		return func(w io.Writer) error { return writeJSON(w, p) }
	}
	return p.writeText
}

func (p planned) writeText(w io.Writer) error {
	text := fmt.Sprintf("Lab %s: %d changes\n", p.Lab, p.Changes)
	for _, sequence := range p.VMs {
		text += fmt.Sprintf("\n%s (VMID %d on node %s)\n", sequence.VM, sequence.VMID, sequence.Node)
		if len(sequence.Steps) == 0 {
			text += "  is up; nothing to do\n"
		}
		for _, step := range sequence.Steps {
			text += strings.TrimRight(fmt.Sprintf("  %-10s %s", step.Name(), step.Detail()), " ") + "\n"
		}
	}
	text += fmt.Sprintf("\nSuite %s: %d targets x %d workloads x %d block(s) = %d trials, at least %s\n",
		p.Suite.Name, len(p.Suite.Targets), len(p.Suite.Workloads), p.Suite.Blocks, p.Suite.Trials, p.Suite.AtLeast)
	for i, name := range p.Suite.Workloads {
		text += fmt.Sprintf("  %s\n    %s\n", name, p.Suite.CommandLine[i])
	}
	_, err := io.WriteString(w, text)
	return err
}
