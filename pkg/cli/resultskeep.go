package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/internal/visible"
	"labctl/pkg/results"
)

func newResultsTag(a *app) *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use:   "tag NAME [RUN]",
		Short: "Give a run a name, which selects it everywhere (default: latest)",
		Long: "tag gives a run a name. A run with a tag is never pruned. A tag that another run had moves.\n" +
			"A run is named by " + results.Refs + ".",
		RunE: func(_ *cobra.Command, args []string) error { return a.tagResult(args[0], args[1:], remove) },
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "take the name away; the run stays")
	return cmd
}

// tagged is the JSON form of a tag.
type tagged struct {
	Tag string `json:"tag"`
	Run string `json:"run,omitempty"` // absent when the tag was removed
}

func (a *app) tagResult(name string, ref []string, remove bool) error {
	if remove && len(ref) > 0 {
		return usagef("tag --remove takes the name only")
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	out := tagged{Tag: name}
	if remove {
		err = store.Untag(name)
	} else {
		out.Run, err = store.Tag(name, runRef(ref))
	}
	if err != nil {
		return err
	}
	return a.print(func(w io.Writer) error {
		switch {
		case a.json():
			return writeJSON(w, out)
		case remove:
			_, err = fmt.Fprintf(w, "tag %s is removed\n", name)
		default:
			_, err = fmt.Fprintf(w, "%s is %s\n", name, out.Run)
		}
		return err
	})
}

// pruneOptions are the flags of `results prune`.
type pruneOptions struct {
	keep  int
	older time.Duration
	yes   bool
}

func newResultsPrune(a *app) *cobra.Command {
	var options pruneOptions
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Show which runs can be removed; --yes removes them",
		Long: "prune selects runs that were interrupted before their first trial ended and, with --keep and --older-than, others.\n" +
			"It never selects a run with a tag, the newest run of a lab, one that is being written, or one that is damaged.",
		RunE: func(*cobra.Command, []string) error { return a.pruneResults(options) },
	}
	cmd.Flags().IntVar(&options.keep, "keep", 0, "select all but the newest `N` runs of every lab")
	cmd.Flags().DurationVar(&options.older, "older-than", 0, "select runs that began longer ago, such as 720h")
	cmd.Flags().BoolVar(&options.yes, "yes", false, "remove the runs for ever")
	return cmd
}

// pruned is the JSON form of what was, or would be, removed.
type pruned struct {
	Runs    []listed `json:"runs"`
	Removed bool     `json:"removed"`
}

func (a *app) pruneResults(options pruneOptions) error {
	if options.keep < 0 || options.older < 0 {
		return usagef("--keep and --older-than: give more than nothing")
	}
	store, err := a.store()
	if err != nil {
		return err
	}
	pruning := results.Pruning{Void: true, Keep: options.keep}
	if options.older > 0 {
		pruning.Before = time.Now().Add(-options.older)
	}
	headers, err := store.Prunable(pruning)
	if err != nil {
		return err
	}
	out := pruned{Runs: []listed{}, Removed: options.yes}
	var failures []error
	for _, header := range headers {
		if options.yes {
			if err := store.Remove(header.ID); err != nil {
				failures = append(failures, err)
				continue
			}
		}
		out.Runs = append(out.Runs, newListed(header))
	}
	err = a.print(func(w io.Writer) error {
		if a.json() {
			return writeJSON(w, out)
		}
		return prunedText(w, visible.Of(out))
	})
	return errors.Join(append(failures, err)...)
}

func prunedText(w io.Writer, out pruned) error {
	last := "Nothing was removed: `labctl results prune --yes` removes these runs for ever.\n"
	switch {
	case len(out.Runs) == 0:
		_, err := io.WriteString(w, "no run to remove\n")
		return err
	case out.Removed:
		last = fmt.Sprintf("%d run(s) removed\n", len(out.Runs))
	}
	if err := listText(w, out.Runs); err != nil {
		return err
	}
	_, err := io.WriteString(w, last)
	return err
}
