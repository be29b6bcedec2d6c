package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"labctl/pkg/internal/visible"
	"labctl/pkg/results"
)

func newResultsVerify(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [RUN...]",
		Short: "Check that runs are what was written (default: all)",
		Long: "verify reads every file of the runs, unpacks fio's raw output, derives the numbers from it again, and says what differs.\n" +
			"A run is named by " + results.Refs + ".",
		RunE: func(_ *cobra.Command, args []string) error { return a.verifyResults(args) },
	}
}

// verified is the JSON form of what was verified.
type verified struct {
	Runs []verifiedRun `json:"runs"`
}

type verifiedRun struct {
	ID     string        `json:"id"`
	OK     bool          `json:"ok"`
	Sealed bool          `json:"sealed"` // the run has ended, and its end vouches for every file
	Files  int           `json:"files"`
	Trials int           `json:"trials"` // whose numbers were derived again
	Newer  []string      `json:"newer"`  // files that a newer labctl wrote: they were passed over
	Damage []damagedFile `json:"damage"`
}

type damagedFile struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
}

var errDiffers = errors.New("runs differ from what was written")

func (a *app) verifyResults(refs []string) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	ids, err := store.IDs(refs...)
	if err != nil {
		return err
	}
	out := verified{Runs: []verifiedRun{}}
	bad := 0
	for _, id := range ids {
		v, err := store.Verify(id)
		if err != nil {
			return err
		}
		run := verifiedRun{
			ID: v.Run, OK: len(v.Damage) == 0, Sealed: v.Sealed, Files: v.Files, Trials: v.Trials,
			Newer: append([]string{}, v.PassedOver...), Damage: []damagedFile{},
		}
		for _, d := range v.Damage {
			run.Damage = append(run.Damage, damagedFile(d))
		}
		if !run.OK {
			bad++
		}
		out.Runs = append(out.Runs, run)
	}
	err = a.print(func(w io.Writer) error {
		if a.json() {
			return writeJSON(w, out)
		}
		return verifiedText(w, visible.Of(out))
	})
	if err == nil && bad > 0 {
		err = fmt.Errorf("%d of %d %w", bad, len(ids), errDiffers)
	}
	return err
}

func verifiedText(w io.Writer, out verified) error {
	var text strings.Builder
	for _, run := range out.Runs {
		verdict := "as it was written"
		switch {
		case !run.OK:
			verdict = "DIFFERS"
		case len(run.Newer) > 0:
			verdict = "partly written by a newer labctl: " + strings.Join(run.Newer, ", ")
		case !run.Sealed:
			verdict += ", but it has not ended"
		}
		fmt.Fprintf(&text, "%s  %s (%d files, %d trials derived again)\n", run.ID, verdict, run.Files, run.Trials)
		for _, d := range run.Damage {
			fmt.Fprintf(&text, "  %s %s\n", d.Path, d.Problem)
		}
	}
	if len(out.Runs) == 0 {
		text.WriteString("no run has been recorded yet\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}
