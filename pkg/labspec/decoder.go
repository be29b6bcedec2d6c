package labspec

import (
	"errors"
	"fmt"
	"strings"
)

// A decoder remembers, while values are read, where in the file each path stands and what is wrong with the file.
type decoder struct {
	file     string
	places   map[string]position
	bad      map[string]bool // paths with a problem: what follows from it is not reported too
	problems Errors
}

// decode reads the value of a path and remembers where it stands.
func (d *decoder) decode(v value, n *node, path string) {
	d.places[path] = n.at
	if n.kind == kindRefused {
		d.bad[path] = true
		return
	}
	v.decode(d, n, path)
}

// mentions reports whether the file says something at the path, itself or in vmDefaults.
func (d *decoder) mentions(path string) bool {
	_, own := d.places[path]
	_, inherited := d.places[inheritedFrom(path)]
	return own || inherited
}

// failed reports whether the path, or something it lies in or inherits from, already has a problem.
func (d *decoder) failed(path string) bool {
	for _, p := range []string{path, inheritedFrom(path)} {
		for {
			if d.bad[p] {
				return true
			}
			cut := strings.LastIndexAny(p, ".[")
			if cut < 0 {
				break
			}
			p = p[:cut]
		}
	}
	return false
}

// forgive suppresses problems at a path whose value stands under a misspelt key.
func (d *decoder) forgive(path string) {
	if !d.mentions(path) {
		d.bad[path] = true
	}
}

// fail reports a problem of the value at the path.
func (d *decoder) fail(path, problem, remedy string) {
	path, at := d.locate(path)
	d.failAt(at, path, problem, remedy)
}

// failAt reports a problem at a place.
func (d *decoder) failAt(at position, path, problem, remedy string) {
	d.bad[path] = true
	d.problems = append(d.problems, FieldError{
		File: d.file, Line: at.line, Column: at.column, Path: path, Problem: problem, Remedy: remedy,
	})
}

// check reports the error of a value at the path, if there is one.
func (d *decoder) check(path string, err error) {
	var wrong *valueError
	switch {
	case err == nil:
	case errors.As(err, &wrong):
		d.fail(path, wrong.problem, wrong.remedy)
	default:
		d.fail(path, err.Error(), "")
	}
}

// failMissing reports that the mapping at the path lacks a key.
func (d *decoder) failMissing(path string, f field) {
	remedy := "add " + f.key + ":"
	if len(f.examples) > 0 {
		remedy += " " + f.examples[0]
	}
	path, at := d.locate(path)
	d.failAt(at, join(path, f.key), "missing", remedy)
}

// failDuplicates reports every entry of a mapping whose key an earlier one has.
func (d *decoder) failDuplicates(n *node, path string) {
	first := map[string]position{}
	for _, e := range n.entries {
		if at, ok := first[e.key]; ok {
			d.failAt(e.at, join(path, e.key), fmt.Sprintf("key stands here twice, first in line %d", at.line), "remove one")
			continue
		}
		first[e.key] = e.at
	}
}

// locate finds where a path stands: at its own place, at the one it inherits from, or where its mapping stands. The
// path it returns is the one to show.
func (d *decoder) locate(path string) (string, position) {
	if at, ok := d.places[path]; ok {
		return path, at
	}
	inherited := inheritedFrom(path)
	if at, ok := d.places[inherited]; ok {
		return inherited, at
	}
	for parent := path; ; {
		cut := strings.LastIndexAny(parent, ".[")
		if cut < 0 {
			return path, d.places[""]
		}
		parent = parent[:cut]
		if at, ok := d.places[parent]; ok {
			return path, at
		}
	}
}

// inheritedFrom is the path in vmDefaults that the path of a VM inherits from: vms[1].cores from vmDefaults.cores.
// Other paths inherit from nothing, "-".
func inheritedFrom(path string) string {
	if rest, ok := strings.CutPrefix(path, "vms["); ok {
		if _, key, ok := strings.Cut(rest, "]."); ok {
			return "vmDefaults." + key
		}
	}
	return "-"
}

// report is fail for problems between values: nothing is said of values that already have a problem. Of several
// paths, the problem is shown at the first that the file has itself, rather than where one is inherited from.
func (d *decoder) report(problem, remedy string, paths ...string) {
	shown := paths[0]
	for _, path := range paths {
		if d.failed(path) {
			return
		}
	}
	for _, path := range paths {
		if _, own := d.places[path]; own {
			shown = path
			break
		}
	}
	d.fail(shown, problem, remedy)
}
