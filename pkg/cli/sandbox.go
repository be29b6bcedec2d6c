package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/pvesim"
	"labctl/pkg/sandbox"
)

// The kinds of sandboxes: guests are processes of this machine, or virtual machines.
const (
	sandboxHost = "host"
	sandboxQEMU = "qemu"
)

func newSandbox(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Start, stop and show the built-in Proxmox VE emulator, or serve it to other programs",
		Long: `The sandbox is an emulated Proxmox VE. Its guests are real processes of this machine, or with --sandbox=qemu real virtual
machines. --sandbox starts it when it is needed and stops it with its last lab; these commands are for working with it
directly.`,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			a.flags.sandbox = cmp.Or(a.flags.sandbox, sandboxHost)
			return cmd.Root().PersistentPreRunE(cmd, args)
		},
	}
	group(cmd).AddCommand(newSandboxServe(a), newSandboxStart(a), newSandboxStop(a), newSandboxStatus(a), newSandboxImage(a))
	return cmd
}

// serveFlags are the flags of `sandbox serve` and `start`.
type serveFlags struct {
	listen     string
	major      int
	nodes      int
	realistic  bool
	faults     string
	background bool
}

func (f *serveFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:0", "loopback `address` of the API; port 0 takes a free one")
	cmd.Flags().IntVar(&f.major, "pve", 9, "emulated major `version`: 8 or 9")
	cmd.Flags().IntVar(&f.nodes, "nodes", 1, "emulated `nodes`: 1, or 3 for a cluster whose storages are local to each node")
	cmd.Flags().BoolVar(&f.realistic, "realistic", false, "tasks take as long as on a small server, instead of tenths of a second")
	cmd.Flags().StringVar(&f.faults, "faults", "", "`file` with a plan of what goes wrong, see docs/sandbox.md")
	cmd.Flags().BoolVar(&f.background, "background", false, "")
	cobra.CheckErr(cmd.Flags().MarkHidden("background"))
}

func (f *serveFlags) args() []string {
	args := []string{"--listen", f.listen, "--pve", fmt.Sprint(f.major), "--nodes", fmt.Sprint(f.nodes)}
	if f.realistic {
		args = append(args, "--realistic")
	}
	if f.faults != "" {
		args = append(args, "--faults", f.faults)
	}
	return args
}

// plan reads the plan of faults; without one nothing goes wrong.
func (f *serveFlags) plan() (pvesim.Faults, error) {
	if f.faults == "" {
		return pvesim.Faults{}, nil
	}
	data, err := os.ReadFile(f.faults)
	if err != nil {
		return pvesim.Faults{}, usagef("reading the plan of faults: %w", err)
	}
	plan, err := pvesim.ParseFaults(f.faults, data)
	if err != nil {
		return pvesim.Faults{}, &usageError{err}
	}
	return plan, nil
}

func (f *serveFlags) check() error {
	if f.major != 8 && f.major != 9 {
		return usagef("--pve %d: the sandbox emulates 8 and 9", f.major)
	}
	if f.nodes != 1 && f.nodes != 3 {
		return usagef("--nodes %d: the sandbox emulates one node, or a cluster of 3", f.nodes)
	}
	return nil
}

func newSandboxServe(a *app) *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the sandbox in the foreground and print how to reach it",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			return a.serveSandbox(cmd.Context(), flags)
		},
	}
	flags.add(cmd)
	return cmd
}

// serveSandbox runs until it is interrupted; that is its regular end.
func (a *app) serveSandbox(ctx context.Context, flags serveFlags) error {
	ready := func(info sandbox.Info) error {
		if flags.background {
			return sandbox.Report(&info, nil)
		}
		return a.showSandbox(info)
	}
	plan, err := flags.plan()
	if err != nil {
		return err
	}
	isReady := false
	image, err := a.sandboxImage(ctx)
	if err != nil {
		return errors.Join(err, reportFailure(flags, err))
	}
	err = sandbox.Serve(ctx, sandbox.Options{
		Dir: a.sandboxDir(), Listen: flags.listen, Major: flags.major, Nodes: flags.nodes, Realistic: flags.realistic, Logger: a.log, Image: image,
		Foreground: !flags.background,
		Adjust:     []pvesim.Option{pvesim.WithFaults(plan), pvesim.WithLogger(a.log)},
	}, func(info sandbox.Info) error {
		isReady = true
		return ready(info)
	})
	if err != nil && !isReady {
		return errors.Join(err, reportFailure(flags, err))
	}
	return err
}

// reportFailure tells the process that started this one in the background why it will not be ready.
func reportFailure(flags serveFlags, err error) error {
	if !flags.background {
		return nil
	}
	return sandbox.Report(nil, err)
}

// showSandbox prints how other programs reach the sandbox.
func (a *app) showSandbox(info sandbox.Info) error {
	return a.printNow(func(w io.Writer) error {
		if a.json() {
			return writeJSON(w, info)
		}
		_, err := fmt.Fprintf(w, `Proxmox VE %d sandbox (process %d)
  url           %s
  fingerprint   %s
  token         %s=%s
  guests        %s, through the HTTP proxy %s
`, info.Major, info.PID, info.URL, info.Fingerprint, info.TokenID, info.TokenSecret, guestsOf(info), info.Gateway)
		return err
	})
}

// guestsOf says what the sandbox's VMs are.
func guestsOf(info sandbox.Info) string {
	switch {
	case info.Guests != sandbox.GuestQEMU:
		return "processes of this machine"
	case info.KVM:
		return "virtual machines with KVM"
	}
	return "virtual machines, emulated without KVM (" + info.NoKVM + ")"
}

// findOrStartSandbox starts the sandbox in the background when none runs. Only one process at a time does so, and none while
// another one stops the sandbox; a lab whose journal exists before is safe from that.
func (a *app) findOrStartSandbox(ctx context.Context, args ...string) (info sandbox.Info, started bool, err error) {
	err = sandbox.Exclusive(ctx, a.sandboxDir(), func() (err error) {
		info, err = sandbox.Find(a.sandboxDir())
		if errors.Is(err, sandbox.ErrNotRunning) {
			if _, err := a.sandboxImage(ctx); err != nil {
				return err
			}
			a.progress().Status(func(time.Duration) string { return "starting the sandbox" })
			info, err = a.startSandbox(ctx, args...)
			started = true
		}
		return err
	})
	return info, started, err
}

// startSandbox starts the sandbox in the background.
func (a *app) startSandbox(ctx context.Context, args ...string) (sandbox.Info, error) {
	program, err := executable()
	if err != nil {
		return sandbox.Info{}, err
	}
	argv := append([]string{program, "--sandbox=" + a.flags.sandbox, "sandbox", "serve", "--background", "--state-dir", a.flags.stateDir}, args...)
	if a.flags.config != "" {
		argv = append(argv, "--config", a.flags.config)
	}
	if a.log.Enabled(ctx, slog.LevelDebug) {
		argv = append(argv, "--log-level", "debug")
	}
	return sandbox.Start(ctx, a.sandboxDir(), argv)
}

func newSandboxStart(a *app) *cobra.Command {
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start the sandbox in the background",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			info, _, err := a.findOrStartSandbox(cmd.Context(), flags.args()...)
			if err != nil {
				return err
			}
			return a.showSandbox(info)
		},
	}
	flags.add(cmd)
	return cmd
}

func newSandboxStop(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Stop the sandbox with everything in it",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.stopSandbox(cmd.Context())
		},
	}
}

// stopSandbox ends the sandbox, and with it every lab in it.
func (a *app) stopSandbox(ctx context.Context) error {
	var running bool
	var labs []string
	err := sandbox.Exclusive(ctx, a.sandboxDir(), func() error {
		_, err := sandbox.Find(a.sandboxDir())
		running = !errors.Is(err, sandbox.ErrNotRunning)
		if err := sandbox.Stop(ctx, a.sandboxDir()); err != nil { // without one, this removes what a killed one left
			return err
		}
		if labs, err = a.labStore().Labs(); err != nil {
			return err
		}
		if err := os.RemoveAll(a.labStore().Dir("")); err != nil {
			return fmt.Errorf("removing the state of the sandbox's labs: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case !running:
		a.progress().Line("no sandbox was running")
	case len(labs) > 0:
		a.progress().Line("the sandbox has ended, and with it the labs %s", strings.Join(labs, ", "))
	default:
		a.progress().Line("the sandbox has ended")
	}
	if !a.json() {
		return nil
	}
	return a.print(func(w io.Writer) error { return writeJSON(w, map[string]bool{"running": false}) })
}

func newSandboxStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show whether the sandbox runs, and how to reach it",
		RunE: func(*cobra.Command, []string) error {
			info, err := sandbox.Find(a.sandboxDir())
			if errors.Is(err, sandbox.ErrNotRunning) {
				return a.print(func(w io.Writer) error {
					if a.json() {
						return writeJSON(w, map[string]bool{"running": false})
					}
					_, err := fmt.Fprintln(w, "no sandbox is running")
					return err
				})
			}
			if err != nil {
				return err
			}
			return a.showSandbox(info)
		},
	}
}
