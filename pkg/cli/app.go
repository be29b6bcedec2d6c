package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"

	"labctl/pkg/internal/ui"
	"labctl/pkg/lab/teardown"
	"labctl/pkg/results"
	"labctl/pkg/results/baseline"
)

// app is one invocation: its streams, flags and configuration.
type app struct {
	ui.IO
	flags  flags
	config *viper.Viper
	begun  time.Time
	args   []string // the command line
	given  []string // its flags that an advised command needs too
	lab    string   // as named on the command line
	byName bool     // it is the name of a lab that is up, and not a file
	// words are what the person at work says of volumes and VMIDs, and allRuns that other state directories' runs go too.
	words   teardown.Words
	allRuns bool
	// again are the words of the command that removes what is left, where `down` does not.
	again string
	// tearsDown says that the invocation removes the lab at its end, whatever happens.
	tearsDown bool
	// writesConfig says that the command makes the configuration file, which need not exist before.
	writesConfig bool
	// lastWord sums the invocation up when everything else is said; nil for most.
	lastWord func(code int) string
	// left is the last word when a second signal ends the process.
	left   atomic.Pointer[string]
	talk   *ui.Progress
	log    *slog.Logger
	cancel context.CancelFunc
	// document is what the command printed with --output json, until it ends.
	document bytes.Buffer
}

// flags are the global flags.
type flags struct {
	config, stateDir, results, sandbox, output, logLevel, instance string
	quiet, noColor                                                 bool
	deadline                                                       time.Duration
}

// The values of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

// newRoot builds the command tree.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "labctl",
		Short: "Measure storage in throw-away Proxmox VE labs",
		Long: `labctl clones benchmark VMs on Proxmox VE, measures storage in them and on the host, shows the results, and removes every trace.

  labctl --sandbox run demo                        try everything on this machine, without Proxmox
  labctl up LAB && labctl bench LAB && labctl down LAB

LAB is a file, or the name of a built-in lab (blog, demo); without it ./lab.yaml is taken. down and status take the name of any
lab that is up, too.

` + exitCodesHelp,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) },
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w: see `%s --help`", err, cmd.CommandPath())
	})
	a.addFlags(root)
	root.AddCommand(newUp(a), newBench(a), newDown(a), newRun(a), newPlan(a), newStatus(a), newGC(a),
		newInit(a), newDoctor(a), newResults(a), newReport(a), newCompare(a), newSandbox(a), newTemplate(a), newVersion(a))
	countArguments(root)
	return root
}

func (a *app) addFlags(root *cobra.Command) {
	set := root.PersistentFlags()
	set.StringVar(&a.flags.config, "config", "", "configuration `file` (default: labctl/config.yaml in the user's configuration directory)")
	set.StringVar(&a.flags.stateDir, "state-dir", "", "`directory` for the state of labs (default: labctl in the user's state directory)")
	set.StringVar(&a.flags.results, "results", "", "`directory` for results (default: results in the state directory)")
	set.StringVar(&a.flags.sandbox, "sandbox", "", "use the built-in Proxmox emulator; the `kind` of its guests is host (processes of this machine) or qemu (virtual machines)")
	set.Lookup("sandbox").NoOptDefVal = sandboxHost
	set.StringVar(&a.flags.instance, "instance", "", "`name` of this one of several labs that are made from one lab file: the lab is called LAB-NAME")
	set.StringVar(&a.flags.output, "output", outputText, "`format` of results on standard output: text or json")
	set.StringVar(&a.flags.logLevel, "log-level", "warn", "`level` of the log on standard error: debug, info, warn or error")
	set.BoolVar(&a.flags.quiet, "quiet", false, "no progress")
	set.BoolVar(&a.flags.noColor, "no-color", false, "no colours")
	set.DurationVar(&a.flags.deadline, "deadline", 0, "give up after this `duration`, such as 90m (default: never)")
}

// prepare reads the configuration and checks the global flags.
func (a *app) prepare(cmd *cobra.Command) error {
	a.remember(cmd)
	level := new(slog.LevelVar)
	if err := level.UnmarshalText([]byte(a.flags.logLevel)); err != nil {
		return usagef("--log-level %s: use debug, info, warn or error", a.flags.logLevel)
	}
	a.log = slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: level}))
	if a.flags.output != outputText && a.flags.output != outputJSON {
		return usagef("--output %s: use text or json", a.flags.output)
	}
	if kind := a.flags.sandbox; kind != "" && kind != sandboxHost && kind != sandboxQEMU {
		return usagef("--sandbox=%s: this labctl has the sandbox kinds %s and %s", kind, sandboxHost, sandboxQEMU)
	}
	if err := a.directories(); err != nil {
		return err
	}
	if cmd.Flags().Changed("deadline") && a.flags.deadline <= 0 {
		return usagef("--deadline %s: give a time that is longer than nothing, such as 90m", a.flags.deadline)
	}
	if a.flags.deadline > 0 {
		ctx, cancel := context.WithTimeoutCause(cmd.Context(), a.flags.deadline, errDeadline)
		a.cancel = cancel
		cmd.SetContext(ctx)
	}
	a.writesConfig = cmd.Name() == initName
	return a.readConfig()
}

// directories fills in the defaults of the XDG base directory specification.
func (a *app) directories() error {
	if a.flags.stateDir == "" {
		base := os.Getenv("XDG_STATE_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return usagef("no state directory: give --state-dir (%w)", err)
			}
			base = filepath.Join(home, ".local", "state")
		}
		a.flags.stateDir = filepath.Join(base, "labctl")
	}
	absolute, err := filepath.Abs(a.flags.stateDir)
	if err != nil {
		return fmt.Errorf("finding the state directory: %w", err)
	}
	a.flags.stateDir = absolute
	if a.flags.results == "" {
		a.flags.results = filepath.Join(absolute, "results")
	}
	return nil
}

// progress starts showing what is under way.
func (a *app) progress() *ui.Progress {
	if a.talk == nil {
		a.talk = ui.NewProgress(a.IO, a.flags.quiet)
	}
	return a.talk
}

func (a *app) close() {
	if a.talk != nil {
		a.talk.Close()
	}
	if a.cancel != nil {
		a.cancel()
	}
}

// store opens the results.
func (a *app) store() (*results.Store, error) {
	store, err := results.Open(a.flags.results)
	if err != nil {
		return nil, err
	}
	return store.Know(baseline.Published(), baseline.RunPy), nil
}

// json says whether results are wanted as one JSON document.
func (a *app) json() bool { return a.flags.output == outputJSON }

// print writes to standard output; with --output json when the command has ended.
func (a *app) print(write func(io.Writer) error) error {
	if !a.json() {
		return a.printNow(write)
	}
	a.progress().Status(nil)
	return write(&a.document)
}

// printNow writes to standard output at once.
func (a *app) printNow(write func(io.Writer) error) error {
	a.progress().Status(nil)
	return write(a.Out)
}

// group is a command that only has others below it: whoever mistypes one of them is told so.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("unknown command %q for %q: see `%s --help`", args[0], cmd.CommandPath(), cmd.CommandPath())
		}
		return cmd.Help()
	}
	return cmd
}
