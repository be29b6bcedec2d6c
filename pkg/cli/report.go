package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"labctl/pkg/internal/visible"
	"labctl/pkg/report"
	"labctl/pkg/results"
	"labctl/pkg/results/compare"
)

// formatSVG is the report format that writes a folder of charts.
const formatSVG = "svg"

// outputFlags are --format and --out.
type outputFlags struct {
	format, out string
	known       []string // formats
}

func (f *outputFlags) add(cmd *cobra.Command, formats ...string) {
	f.known = formats
	cmd.Flags().StringVar(&f.format, "format", "", "`format`: "+strings.Join(formats, ", ")+" (default: as --output)")
	cmd.Flags().StringVar(&f.out, "out", "", "`path` to write to instead of standard output")
}

func textFormats() []string {
	var names []string
	for _, format := range report.Formats() {
		names = append(names, string(format))
	}
	return names
}

func newReport(a *app) *cobra.Command {
	var output outputFlags
	cmd := &cobra.Command{
		Use:   "report [RUN]",
		Short: "Show a run (default: latest)",
		Long:  "report shows a run. A run is named by " + results.Refs + ".",
		RunE: func(_ *cobra.Command, args []string) error {
			return a.report(runRef(args), output)
		},
	}
	output.add(cmd, append(textFormats(), formatSVG)...)
	return cmd
}

// runRef is the run that the arguments name, or the latest one.
func runRef(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return results.Latest
}

func (a *app) report(ref string, output outputFlags) error {
	run, err := a.load(ref)
	if err != nil {
		return err
	}
	if output.format == formatSVG {
		return a.charts(run, output.out)
	}
	format, err := a.format(output)
	if err != nil {
		return err
	}
	return a.writeTo(output.out, func(w io.Writer) error { return report.Write(w, format, run, a.reportOptions(run)) })
}

// charts writes the charts and says where they are.
func (a *app) charts(run *results.Run, dir string) error {
	if dir == "" {
		return usagef("--format svg needs --out DIRECTORY: every workload gets a folder of charts there")
	}
	paths, err := report.WriteCharts(dir, run)
	if err != nil {
		return err
	}
	return a.print(func(w io.Writer) error {
		if a.json() {
			return writeJSON(w, map[string][]string{"files": paths})
		}
		for _, path := range paths {
			if _, err := fmt.Fprintln(w, path); err != nil {
				return err
			}
		}
		return nil
	})
}

// format is the wanted text format.
func (a *app) format(output outputFlags) (report.Format, error) {
	switch {
	case output.format == "" && a.json():
		return report.JSON, nil
	case output.format == "":
		return report.Text, nil
	case !slices.Contains(textFormats(), output.format):
		return "", usagef("--format %s: use one of %s", output.format, strings.Join(output.known, ", "))
	}
	return report.Format(output.format), nil
}

// writeTo writes to the file, or to standard output when there is no path. What people could not see is shown.
func (a *app) writeTo(path string, write func(io.Writer) error) error {
	if path == "" {
		return a.print(write)
	}
	return a.writeRaw(path, func(w io.Writer) error { return write(visible.NewWriter(w)) })
}

// writeRaw writes exactly what write does to the file, or to standard output when there is no path. A file is there when
// all of it is written, and not before.
func (a *app) writeRaw(path string, write func(io.Writer) error) error {
	if path == "" {
		return a.printNow(func(w io.Writer) error {
			if filter, ok := w.(*visible.Writer); ok {
				w = filter.Raw()
			}
			return write(w)
		})
	}
	if err := writeFile(path, write); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // such as /dev/stdout
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(file), file.Close())
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".writing-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(file), file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// load reads a run. Of a damaged one everything that is whole is shown, after a warning.
func (a *app) load(ref string) (*results.Run, error) {
	store, err := a.store()
	if err != nil {
		return nil, err
	}
	run, err := store.Load(ref)
	if damaged := (*results.DamagedError)(nil); errors.As(err, &damaged) && run != nil {
		a.progress().Line("%v", err)
		return run, nil
	}
	return run, err
}

func newCompare(a *app) *cobra.Command {
	var output outputFlags
	cmd := &cobra.Command{
		Use:   "compare A B",
		Short: "Put two runs, or two targets (RUN:TARGET), side by side",
		Long:  "compare puts two runs, or two targets (RUN:TARGET), side by side. A run is named by " + results.Refs + ".",
		RunE:  func(_ *cobra.Command, args []string) error { return a.compare(args[0], args[1], output) },
	}
	output.add(cmd, textFormats()...)
	return cmd
}

func (a *app) compare(refA, refB string, output outputFlags) error {
	format, err := a.format(output)
	if err != nil {
		return err
	}
	first, err := compare.Select(refA, a.load)
	if err != nil {
		return err
	}
	second, err := compare.Select(refB, a.load)
	if err != nil {
		return err
	}
	if compare.Same(first, second) {
		return usagef("%s and %s are the same run: give two runs, or two targets as RUN:TARGET", refA, refB)
	}
	comparison := compare.Compare(first, second)
	return a.writeTo(output.out, func(w io.Writer) error {
		return report.WriteComparison(w, format, comparison, report.Options{Color: a.OutIsTerminal && !a.flags.noColor})
	})
}
