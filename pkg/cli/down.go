package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/internal/ui"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/sandbox"
)

func newDown(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "down [LAB]",
		Short: "Remove everything of a lab and prove that nothing is left",
		Long: `down removes the lab's VMs, their disks and the lab's uploads, and shows that no volume is left under their VMIDs. It needs no
state: it finds a lab by its owner marks. A volume under a VMID of the lab that nothing proves to be the lab's is not removed, and
down fails: remove it yourself, or say with --leave that it is somebody else's. So it is with a VM that took a VMID of the lab.
A VM that the lab made and whose notes do not carry its mark any more is removed only when --take names it. What another state
directory brought up, and may be measuring in, is removed only with --all-runs.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := a.loadKnown(args)
			if err != nil {
				return err
			}
			return a.down(cmd.Context(), file, false)
		},
	}
	a.addLeave(cmd)
	cmd.Flags().StringArrayVar(&a.words.Take, "take", nil, "`VMID` of a VM that this lab made and that lost its mark: remove it too (repeatable)")
	cmd.Flags().BoolVar(&a.allRuns, "all-runs", false, "remove the lab's runs of other state directories too, whether they are in use or not")
	return cmd
}

// addLeave lets a person say what is somebody else's, wherever doubt about it may fail a removal.
func (a *app) addLeave(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&a.words.Leave, "leave", nil, "`VOLUME`, such as zfs:vm-9100-disk-0, or VMID that is somebody else's: leave it alone (repeatable)")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		for _, word := range a.words.Leave {
			if !leavable.MatchString(word) {
				return usagef("--leave %s: give a volume, such as zfs:vm-9100-disk-0, or a VMID", word)
			}
		}
		for _, word := range a.words.Take {
			if _, err := strconv.ParseUint(word, 10, 31); err != nil {
				return usagef("--take %s: give a VMID", word)
			}
		}
		return nil
	}
}

// leavable is a VMID, or a volume's ID as the storages of PVE list it: STORAGE:VOLUME.
var leavable = regexp.MustCompile(`^([0-9]+|[^:\s]+:\S+)$`)

// removed is what `down` prints as JSON.
type removed struct {
	Lab string `json:"lab"`
	labrun.Removed
}

// down removes everything of a lab. A lab that does not exist is fine. Quiet keeps standard output for others.
func (a *app) down(ctx context.Context, spec labrun.Spec, quiet bool) error {
	gone, err := a.sandboxGone(ctx, spec.Lab.Name)
	var out removed
	if err == nil && !gone {
		out.Removed, err = a.removeLab(ctx, spec)
	}
	if err != nil || quiet || !a.json() {
		return err
	}
	out.Lab = spec.Lab.Name
	return a.print(func(w io.Writer) error { return writeJSON(w, out) })
}

// removeLab removes everything of a lab, on the server and on the host.
func (a *app) removeLab(ctx context.Context, spec labrun.Spec) (labrun.Removed, error) {
	begun := time.Now()
	var reached *server
	if err := a.labs(&reached).Repair(spec); err != nil {
		return labrun.Removed{}, err
	}
	run, err := a.openLab(ctx, spec)
	if err != nil {
		return labrun.Removed{}, stillUp(a.labStore(), spec.Lab.Name, err)
	}
	a.mayLeave(spec.Lab.Name)
	leftOnHost := run.cleanHost(ctx) // first: a disk that fio still writes to cannot be removed
	out, err := run.Down(ctx)
	err = errors.Join(err, leftOnHost)
	if err == nil {
		err = run.Forget()
	}
	if err == nil {
		a.progress().Line("%s", out.Describe(spec.Lab.Name, ui.Short(time.Since(begun))))
		err = a.stopIfUnused(ctx, run.server)
	}
	return out, errors.Join(err, run.Close())
}

// sandboxGone ends the state of a lab whose sandbox does not run any more, and what is left of the sandbox.
func (a *app) sandboxGone(ctx context.Context, lab string) (gone bool, err error) {
	if a.flags.sandbox == "" {
		return false, nil
	}
	err = sandbox.Exclusive(ctx, a.sandboxDir(), func() error {
		_, err := sandbox.Find(a.sandboxDir())
		if gone = errors.Is(err, sandbox.ErrNotRunning); gone {
			err = a.forgetWithSandbox(ctx, lab)
		}
		return err
	})
	return gone, err
}

// forgetWithSandbox removes the state of a lab whose VMs went with the sandbox, and what a killed sandbox left.
func (a *app) forgetWithSandbox(ctx context.Context, lab string) (err error) {
	store := a.labStore()
	lock, err := store.Lock(lab)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if err := sandbox.Sweep(ctx, a.sandboxDir()); err != nil {
		return err
	}
	_, err = os.Stat(store.JournalPath(lab))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.progress().Line("lab %s is not up: nothing to remove", lab)
		return nil
	case err != nil:
		return fmt.Errorf("looking for the lab's state: %w", err)
	}
	if err := os.RemoveAll(store.Dir(lab)); err != nil {
		return fmt.Errorf("removing the lab's state: %w", err)
	}
	a.progress().Line("the sandbox has ended and lab %s with it: nothing is left", lab)
	return nil
}

// stopIfUnused stops the sandbox in the background when its last lab is gone.
func (a *app) stopIfUnused(ctx context.Context, server *server) error {
	if server == nil || server.sandbox == nil || server.sandbox.Foreground {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), stopTime, errors.New("gave up after "+stopTime.String()))
	defer cancel()
	return sandbox.Exclusive(ctx, a.sandboxDir(), func() error {
		labs, err := a.labStore().Labs()
		if err != nil || len(labs) > 0 {
			return err
		}
		return sandbox.Stop(ctx, a.sandboxDir())
	})
}

// stopTime bounds waiting for the end of the sandbox, and before it for others that start or stop one.
const stopTime = 2 * time.Minute
