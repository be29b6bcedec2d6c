package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"labctl/pkg/results"
)

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
	imported := importedRuns{Runs: []string{}}
	var failures []error
	for _, path := range paths {
		runs, err := importFile(store, path, target)
		if err != nil {
			failures = append(failures, err)
		}
		for _, run := range runs {
			imported.Runs = append(imported.Runs, run.ID)
		}
	}
	err = a.print(func(w io.Writer) error {
		if a.json() {
			return writeJSON(w, imported)
		}
		for _, id := range imported.Runs {
			if _, err := fmt.Fprintln(w, id); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(append(failures, err)...)
}

// importedRuns is the JSON form of what was imported.
type importedRuns struct {
	Runs []string `json:"runs"` // IDs
}

func importFile(store *results.Store, path, target string) ([]results.Run, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	data, err := results.ReadImport(path)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", path, err)
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
			return a.writeRaw(out, func(w io.Writer) error { return store.Export(args[0], w) })
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`path` to write to instead of standard output")
	return cmd
}
