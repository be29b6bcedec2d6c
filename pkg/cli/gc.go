package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"labctl/pkg/internal/ui"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/lab/vmtemplate"
	"labctl/pkg/sandbox"
)

func newGC(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "gc [LAB...]",
		Short: "Show what is left of labs on the server that nobody removed, and remove it with --yes",
		Long: `gc reads every VM and every upload that the token may see and shows those that carry labctl's owner mark. Garbage is what
is yours and expired (a lab lives for ` + fmt.Sprint(inventory.Lifetime) + `), or yours and unknown to the state directory that made it. Without --yes
nothing is changed. Yours is what this API token made, on whatever machine. Labs that another labctl works on and other
people's labs are shown and left alone. So are labs of other state directories before they expire, unless they are named:
` + "`labctl gc LAB --yes`" + ` removes every run of the lab; while such a lab is left, the exit code is 5. What could not be looked at, such as a node that is offline, is named, and gc then
fails; as JSON, "complete" is false.`,
		RunE: func(cmd *cobra.Command, labs []string) error { return a.gc(cmd.Context(), yes, labs) },
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "remove the garbage")
	a.addLeave(cmd)
	return cmd
}

// foundRun is a lab run on the server as `gc` prints it.
type foundRun struct {
	Lab      string          `json:"lab"`
	Run      string          `json:"run"`
	Owner    string          `json:"owner"`
	VMIDs    []int           `json:"vmids"`
	Uploads  []string        `json:"uploads"`
	Expires  time.Time       `json:"expires"`
	Standing labrun.Standing `json:"standing"`
	Removed  bool            `json:"removed"`
	// Server is another server, which the lab is on by its journal; "" for this one.
	Server string `json:"server,omitempty"`
}

func newFoundRun(f labrun.Found) foundRun {
	out := foundRun{Lab: f.Lab, Run: f.Run, Owner: f.Owner, Expires: f.Expires, Standing: f.Standing, VMIDs: []int{}, Uploads: []string{}}
	for _, vm := range f.VMs {
		out.VMIDs = append(out.VMIDs, int(vm.Ref.ID))
	}
	for _, upload := range f.Uploads {
		out.Uploads = append(out.Uploads, upload.Volume.ID)
	}
	return out
}

// gc finds what is left of labs, and removes the garbage if it may.
func (a *app) gc(ctx context.Context, yes bool, named []string) error {
	if a.flags.sandbox != "" {
		if _, err := sandbox.Find(a.sandboxDir()); errors.Is(err, sandbox.ErrNotRunning) {
			a.progress().Line("no sandbox is running: nothing is left")
			return a.showFound(nil, false, nil)
		}
	}
	server, err := a.connect(ctx)
	if err != nil {
		return err
	}
	labs := a.labs(&server)
	labs.Gates = a.gates(server)
	out, missed, err := a.sweep(ctx, labs, server, yes, named)
	if out == nil {
		return err
	}
	err = errors.Join(err, a.showFound(out, yes, missed), leftElsewhere(out))
	if err == nil && len(out) > 0 && !slices.ContainsFunc(out, func(f foundRun) bool { return !f.Removed }) {
		err = a.stopIfUnused(ctx, server)
	}
	return err
}

// sweep finds what is left of labs, removes the garbage if it may, and says what could not be looked at; nil when nothing
// could.
func (a *app) sweep(ctx context.Context, labs *labrun.Labs, server *server, yes bool, named []string) ([]foundRun, *labrun.IncompleteError, error) {
	a.progress().Status(func(time.Duration) string { return "looking for labs on " + server.url })
	found, err := labs.Find(ctx, server.labServer())
	a.progress().Status(nil)
	var missed *labrun.IncompleteError
	if err != nil && !errors.As(err, &missed) {
		return nil, nil, err
	}
	var failures []error
	out := make([]foundRun, len(found))
	for i, f := range found {
		out[i] = newFoundRun(f)
		if state, err := labs.Store.State(f.Lab); err == nil && server.sandbox == nil && labs.Known(f) {
			out[i].Server = elsewhere(state, server.url)
		}
		if yes && (f.Garbage() || (f.Standing == labrun.StandingElsewhere && slices.Contains(named, f.Lab))) {
			err := a.collect(ctx, labs, server, f)
			out[i].Removed = err == nil
			if busy := (*journal.BusyError)(nil); errors.As(err, &busy) {
				a.progress().Line("lab %s, run %s: left for now: %v", f.Lab, f.Run, busy)
				continue
			}
			failures = append(failures, err)
		}
	}
	return out, missed, errors.Join(append(failures, err)...)
}

// elsewhereLeftError says that labs of this owner are up from other state directories.
type elsewhereLeftError struct{ labs []string }

// Error says how to remove them.
func (e *elsewhereLeftError) Error() string {
	return fmt.Sprintf("left, since somebody may be using it from another state directory: lab %s; if nobody is: `labctl gc %s --yes`",
		strings.Join(e.labs, ", "), strings.Join(e.labs, " "))
}

// leftElsewhere is the error for labs of this owner that are neither garbage nor known here.
func leftElsewhere(found []foundRun) error {
	var labs []string
	for _, f := range found {
		if f.Standing == labrun.StandingElsewhere && !f.Removed && !slices.Contains(labs, f.Lab) {
			labs = append(labs, f.Lab)
		}
	}
	if len(labs) == 0 {
		return nil
	}
	return &elsewhereLeftError{labs}
}

// collect removes one lab run: one that the state directory knows as `down` does it, others by their marks.
func (a *app) collect(ctx context.Context, labs *labrun.Labs, server *server, f labrun.Found) error {
	begun := time.Now()
	if labs.Known(f) && vmtemplate.IsBuild(f.Lab) {
		return a.templateBuilder(server).Clear(ctx, f.Lab)
	}
	if labs.Known(f) {
		spec, err := labs.Store.SavedSpec(f.Lab)
		if err != nil {
			return err
		}
		_, err = a.removeLab(ctx, spec)
		return a.about(f.Lab, err)
	}
	removed, err := labs.Collect(ctx, server.labServer(), f)
	if err == nil {
		a.progress().Line("run %s: %s", f.Run, removed.Describe(f.Lab, ui.Short(time.Since(begun))))
	}
	return err
}

// showFound prints what was found, and as JSON also what was missed: in text, the error says it.
func (a *app) showFound(found []foundRun, removed bool, missed *labrun.IncompleteError) error {
	return a.print(func(w io.Writer) error {
		if a.json() {
			return writeJSON(w, struct {
				Runs     []foundRun `json:"runs"`
				Complete bool       `json:"complete"` // everything was looked at
			}{append([]foundRun{}, found...), missed == nil})
		}
		_, err := io.WriteString(w, a.spellOut(foundText(found, removed, missed == nil)))
		return err
	})
}

// foundText is the table, and what to do.
func foundText(found []foundRun, removed, complete bool) string {
	switch {
	case len(found) == 0 && !complete:
		return "nothing of what could be looked at carries labctl's mark\n"
	case len(found) == 0:
		return "nothing on the server carries labctl's mark\n"
	}
	rows := newTable(table.Row{"LAB", "RUN", "OWNER", "VMIDS", "UPLOADS", "EXPIRES", "STANDING"})
	garbage, unproved := 0, ""
	for _, f := range found {
		standing := string(f.Standing)
		if f.Server != "" {
			standing += " on " + f.Server
		}
		if f.isUnproved() {
			standing = "removal not proved"
			unproved += unprovedText(f.Lab)
		}
		if f.Removed {
			standing += ", removed"
		}
		if f.Standing == labrun.StandingExpired || f.Standing == labrun.StandingOrphaned {
			garbage++
		}
		ids := strings.Trim(strings.ReplaceAll(fmt.Sprint(f.VMIDs), " ", ", "), "[]")
		rows.AppendRow(table.Row{f.Lab, f.Run, f.Owner, ids, len(f.Uploads), f.Expires.Local().Format(time.DateTime), standing})
	}
	text := rows.Render() + "\n"
	switch {
	case garbage == 0 && !slices.ContainsFunc(found, func(f foundRun) bool { return f.Standing == labrun.StandingElsewhere }):
		text += "none of them is garbage\n"
	case garbage == 0:
	case !removed:
		text += fmt.Sprintf("%s: `labctl gc --yes` removes what is expired or orphaned\n", ui.Count(garbage, "lab run")+" to remove")
	}
	return text + unproved
}

// isUnproved says that the server shows nothing of the run any more, and the journal has no proof that nothing is left.
func (f foundRun) isUnproved() bool {
	return f.Server == "" && f.Standing == labrun.StandingUp && len(f.VMIDs)+len(f.Uploads) == 0
}

func unprovedText(lab string) string {
	if vmtemplate.IsBuild(lab) {
		return fmt.Sprintf("%s: nothing proves that nothing is left of it: run the same `template build` again\n", lab)
	}
	return fmt.Sprintf("lab %s: its VMs are gone, but perhaps not their volumes: `labctl down %s` removes what there is\n", lab, lab)
}
