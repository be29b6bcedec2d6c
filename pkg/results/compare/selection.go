package compare

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/results"
)

// Selection is a run, or one target of it.
type Selection struct {
	Run    *results.Run
	Target string // empty = every target
}

// Select resolves what a user wrote: a reference to a run, or run:target. A reference may itself contain a colon
// (blog:2023-08-23:pve), so the whole text is tried as a run first. load is results.Store.Load or the like.
func Select(ref string, load func(ref string) (*results.Run, error)) (Selection, error) {
	run, err := load(ref)
	var unknown *results.NotFoundError
	if err == nil || !errors.As(err, &unknown) {
		return Selection{Run: run}, err
	}
	colon := strings.LastIndexByte(ref, ':')
	if colon < 0 {
		return Selection{}, err
	}
	run, splitErr := load(ref[:colon])
	if errors.As(splitErr, &unknown) {
		return Selection{}, err
	}
	if splitErr != nil {
		return Selection{}, splitErr
	}
	target, names := ref[colon+1:], targetNames(run)
	if !slices.Contains(names, target) {
		return Selection{}, fmt.Errorf("run %s has no target %q; it has %s", run.ID, target, strings.Join(names, ", "))
	}
	return Selection{Run: run, Target: target}, nil
}

func (s Selection) side() Side {
	name := s.Run.ID
	if s.Target != "" {
		name += ":" + s.Target
	}
	return Side{
		Name: name, RunID: s.Run.ID, Target: s.Target, Kind: s.Run.Kind, Lab: s.Run.Lab,
		Created: s.Run.Created, Status: s.Run.Status, Sandbox: s.Run.Provenance.Sandbox,
	}
}

// Same says that both selections are of the same numbers.
func Same(a, b Selection) bool {
	a, b = sameTarget(a, b)
	return a.Run.ID == b.Run.ID && a.Target == b.Target
}

// sameTarget lets a target that only one side names stand for the target of that name on the other side.
func sameTarget(a, b Selection) (Selection, Selection) {
	if a.Target == "" {
		a.Target = b.Target
	}
	if b.Target == "" {
		b.Target = a.Target
	}
	return a, b
}

func targetNames(run *results.Run) []string {
	var names []string
	for _, t := range Tabulate(run).Targets {
		names = append(names, t.Place())
	}
	return names
}
