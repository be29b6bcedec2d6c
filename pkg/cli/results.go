package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"labctl/pkg/internal/visible"
	"labctl/pkg/results"
	"labctl/pkg/results/baseline"
)

func newResults(a *app) *cobra.Command {
	cmd := group(&cobra.Command{Use: "results", Short: "List, show, keep, check, import and export runs"})
	cmd.AddCommand(newResultsList(a), newResultsShow(a), newResultsTag(a), newResultsPrune(a), newResultsVerify(a), newResultsImport(a), newResultsExport(a))
	return cmd
}

func newResultsList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the recorded runs and the published baselines",
		RunE:  func(*cobra.Command, []string) error { return a.listResults() },
	}
}

// runList is the JSON form of the list.
type runList struct {
	Runs []listed `json:"runs"`
}

// listed is a run in the list.
type listed struct {
	ID       string         `json:"id"`
	Kind     results.Kind   `json:"kind,omitempty"`
	Created  time.Time      `json:"created,omitzero"`
	Finished time.Time      `json:"finished,omitzero"`
	Title    string         `json:"title,omitempty"`
	Lab      string         `json:"lab,omitempty"`
	Server   string         `json:"server,omitempty"`
	Node     string         `json:"node,omitempty"`
	Sandbox  string         `json:"sandbox,omitempty"` // its kind; absent on a real Proxmox VE
	Status   results.Status `json:"status,omitempty"`
	Tags     []string       `json:"tags"`
	Trials   int            `json:"trials"`
	Failed   int            `json:"failed"`
	Problem  string         `json:"problem,omitempty"`
	newer    bool
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
	list := runList{Runs: []listed{}}
	for _, header := range headers {
		list.Runs = append(list.Runs, newListed(header))
	}
	for _, run := range baseline.Published() {
		list.Runs = append(list.Runs, newListed(run.Header()))
	}
	return a.print(func(w io.Writer) error {
		if a.json() {
			return writeJSON(w, list)
		}
		return listText(w, visible.Of(list.Runs))
	})
}

func newListed(h results.Header) listed {
	return listed{
		ID: h.ID, Kind: h.Kind, Created: h.Created, Finished: h.Finished, Title: h.Title, Lab: h.Lab, Server: h.Server, Node: h.Node,
		Sandbox: h.Sandbox, Status: h.Status, Tags: append([]string{}, h.Tags...), Trials: h.Trials, Failed: h.Failed, Problem: h.Problem, newer: h.Newer,
	}
}

func listText(w io.Writer, runs []listed) error {
	rows := newTable(table.Row{"RUN", "DATE (UTC)", "LAB", "SERVER", "STATE", "TRIALS", "FAILED", "TITLE"})
	var problems []string
	for _, run := range runs {
		if run.Problem != "" {
			problems = append(problems, run.Problem)
		}
		name, date := run.ID, ""
		if len(run.Tags) > 0 {
			name += " (" + strings.Join(run.Tags, ", ") + ")"
		}
		if !run.Created.IsZero() {
			date = run.Created.UTC().Format("2006-01-02 15:04")
		}
		rows.AppendRow(table.Row{name, date, run.Lab, run.where(), run.state(), run.Trials, run.Failed, run.Title})
	}
	_, err := fmt.Fprintln(w, strings.Join(append([]string{rows.Render()}, problems...), "\n"))
	return err
}

// where is the server that was measured, or that it was none.
func (l listed) where() string {
	switch {
	case l.Sandbox != "":
		return "SANDBOX (" + l.Sandbox + ")"
	case l.Server == "":
		return l.Node
	case l.Node == "" || l.Node == l.Server:
		return l.Server
	default:
		return l.Server + "/" + l.Node
	}
}

// state is what became of the run.
func (l listed) state() string {
	switch {
	case l.newer:
		return "newer"
	case l.Problem != "":
		return "damaged"
	case l.Kind == results.KindMeasured:
		return string(l.Status)
	default:
		return string(l.Kind)
	}
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
