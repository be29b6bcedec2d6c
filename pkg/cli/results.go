package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"labctl/pkg/internal/visible"
	"labctl/pkg/results"
)

func newResults(a *app) *cobra.Command {
	cmd := group(&cobra.Command{Use: "results", Short: "List, show, import and export runs"})
	cmd.AddCommand(newResultsList(a), newResultsShow(a), newResultsImport(a), newResultsExport(a))
	return cmd
}

func newResultsList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the recorded runs and the published baselines",
		RunE:  func(*cobra.Command, []string) error { return a.listResults() },
	}
}

// listed is a run in the list.
type listed struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Lab     string `json:"lab,omitempty"`
	Title   string `json:"title,omitempty"`
	Status  string `json:"status"`
	Trials  int    `json:"trials"`
	Failed  int    `json:"failed"`
	Problem string `json:"problem,omitempty"`
}

func (a *app) listResults() error {
	store, err := a.store()
	if err != nil {
		return err
	}
	headers, err := store.List()
	if err != nil {
		return err
	}
	runs := []listed{}
	for _, header := range headers {
		runs = append(runs, listed{
			ID: header.ID, Kind: string(header.Kind), Lab: header.Lab, Title: header.Title, Status: string(header.Status),
			Trials: header.Trials, Failed: header.Failed, Problem: header.Problem,
		})
	}
	for _, run := range results.Published() {
		runs = append(runs, listed{ID: run.ID, Kind: string(run.Kind), Title: run.Title, Status: string(run.Status), Trials: len(run.Trials)})
	}
	return a.print(func(w io.Writer) error {
		if a.json() {
			return writeJSON(w, runs)
		}
		return listText(w, visible.Of(runs))
	})
}

func listText(w io.Writer, runs []listed) error {
	rows := newTable(table.Row{"RUN", "KIND", "LAB", "STATUS", "TRIALS", "FAILED"})
	for _, run := range runs {
		status := run.Status
		if run.Problem != "" {
			status = "damaged: " + run.Problem
		}
		rows.AppendRow(table.Row{run.ID, run.Kind, run.Lab, status, run.Trials, run.Failed})
	}
	_, err := fmt.Fprintln(w, rows.Render())
	return err
}

// newTable is a table without lines, as command-line tools print them.
func newTable(header table.Row) table.Writer {
	rows := table.NewWriter()
	rows.AppendHeader(header)
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	rows.SetStyle(style)
	rows.SuppressTrailingSpaces()
	return rows
}

func newResultsShow(a *app) *cobra.Command {
	var output outputFlags
	cmd := &cobra.Command{
		Use:   "show [RUN]",
		Short: "Show a run; the same as report",
		RunE:  func(_ *cobra.Command, args []string) error { return a.report(runRef(args), output) },
	}
	output.add(cmd, append(textFormats(), formatSVG)...)
	return cmd
}

func newResultsImport(a *app) *cobra.Command {
	var target string
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Import runs: exports of labctl, result files of the blog's run.py, or fio's JSON",
		RunE:  func(_ *cobra.Command, args []string) error { return a.importResults(args, target) },
	}
	cmd.Flags().StringVar(&target, "target", "", "`name` of the target that a plain fio report was measured on")
	return cmd
}

func (a *app) importResults(paths []string, target string) error {
	store, err := a.store()
	if err != nil {
		return err
	}
	ids := []string{}
	var failures []error
	for _, path := range paths {
		runs, err := importFile(store, path, target)
		if err != nil {
			failures = append(failures, err)
		}
		for _, run := range runs {
			ids = append(ids, run.ID)
		}
	}
	err = a.print(func(w io.Writer) error {
		if a.json() {
			return writeJSON(w, map[string][]string{"runs": ids})
		}
		for _, id := range ids {
			if _, err := fmt.Fprintln(w, id); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(append(failures, err)...)
}

func importFile(store *results.Store, path, target string) ([]results.Run, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return store.ImportFile(results.File{Name: filepath.Base(path), Data: data, Target: target, Modified: info.ModTime()})
}

func newResultsExport(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "export RUN",
		Short: "Write a run with its raw data as one JSON document",
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := a.store()
			if err != nil {
				return err
			}
			return a.writeTo(out, func(w io.Writer) error { return store.Export(args[0], w) })
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`path` to write to instead of standard output")
	return cmd
}
