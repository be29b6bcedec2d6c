// Package pkg_test checks rules that hold for all packages.
package pkg_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "labctl"

// arrows says which packages of ours a package may import. Whoever wants another arrow changes the design first.
var arrows = map[string][]string{
	"cmd/labctl": {"pkg/cli", "pkg/internal/ui"},
	"cloudinit":  {},
	"lab-specs":  {},
	"pkg":        {}, // these tests

	"pkg/pve":            {},
	"pkg/pvesim":         {}, // never pkg/pve: shared encoders would hide shared bugs
	"pkg/remote":         {},
	"pkg/fio":            {},
	"pkg/chart":          {},
	"pkg/labspec":        {"pkg/fio"},
	"pkg/lab/guestsetup": {"pkg/labspec", "cloudinit", "pkg/internal/cidata"},
	"pkg/lab/inventory":  {"pkg/pve"},
	"pkg/lab/plan":       {"pkg/labspec", "pkg/lab/inventory"},
	"pkg/lab/grants":     {"pkg/labspec", "pkg/lab/inventory", "pkg/lab/plan", "pkg/lab/guestsetup"},
	"pkg/lab/doctor":     {"pkg/labspec", "pkg/lab/inventory", "pkg/lab/plan", "pkg/lab/grants", "pkg/pve", "pkg/remote"},
	"pkg/lab/journal":    {"pkg/internal/atomicfile", "pkg/internal/filelock"},
	"pkg/lab/guest":      {"pkg/pve", "pkg/remote"},
	"pkg/lab/teardown":   {"pkg/lab/inventory", "pkg/lab/journal", "pkg/lab/plan", "pkg/pve"},
	"pkg/lab/change":     {"pkg/lab/teardown", "pkg/labspec", "pkg/lab/plan", "pkg/lab/inventory", "pkg/lab/journal", "pkg/pve", "pkg/lab/guestsetup", "pkg/lab/guest", "pkg/remote"},
	"pkg/lab/labrun": {
		"pkg/lab/teardown",
		"pkg/lab/doctor", "pkg/labspec", "pkg/lab/guestsetup", "pkg/lab/inventory", "pkg/lab/plan", "pkg/lab/journal", "pkg/lab/change", "pkg/pve", "pkg/remote", "pkg/internal/atomicfile",
		"pkg/internal/filelock",
	},
	"pkg/results":          {"pkg/results/measure", "pkg/fio", "pkg/internal/atomicfile"},
	"pkg/results/measure":  {"pkg/fio"},
	"pkg/bench/suite":      {"pkg/labspec", "pkg/fio", "pkg/remote", "pkg/results"},
	"pkg/results/baseline": {"pkg/results", "pkg/results/measure", "pkg/fio"},
	"pkg/results/compare":  {"pkg/results", "pkg/results/baseline", "pkg/results/measure", "pkg/fio"},
	"pkg/report":           {"pkg/results/compare", "pkg/results", "pkg/results/baseline", "pkg/results/measure", "pkg/fio", "pkg/chart"},
	"pkg/cli":              {"*"},
	"pkg/killtest":         {}, // tests of the built binary: they know labctl by its command line only

	"pkg/lab/cloudimage": {},
	"pkg/bench/zvol":     {"pkg/fio", "pkg/remote"},
	"pkg/lab/vmtemplate": {"pkg/lab/grants", "pkg/lab/teardown", "pkg/lab/change", "pkg/lab/cloudimage", "pkg/lab/inventory", "pkg/lab/journal", "pkg/lab/plan", "pkg/pve"},

	"pkg/pvesim/owned":              {},
	"pkg/pvesim/gateway":            {},
	"pkg/pvesim/console":            {},
	"pkg/pvesim/guesthost":          {"pkg/pvesim", "pkg/pvesim/owned", "pkg/pvesim/gateway"},
	"pkg/pvesim/guestimage":         {},
	"pkg/pvesim/guestqemu":          {"pkg/pvesim", "pkg/pvesim/owned", "pkg/pvesim/guestimage", "pkg/internal/cidata"},
	"pkg/pvesim/internal/schemagen": {},
	"pkg/fio/internal/optiongen":    {},
	"pkg/sandbox": {
		"pkg/pvesim", "pkg/pvesim/guesthost", "pkg/pvesim/guestqemu", "pkg/pvesim/guestimage", "pkg/pvesim/owned", "pkg/pvesim/gateway",
		"pkg/remote", "pkg/internal/atomicfile", "cloudinit",
	},

	"pkg/e2e": {"pkg/pve", "pkg/remote", "pkg/sandbox", "pkg/labspec", "pkg/lab/guestsetup"},

	"pkg/internal/ui":         {},
	"pkg/internal/visible":    {},
	"pkg/internal/pause":      {},
	"pkg/internal/shell":      {},
	"pkg/internal/advice":     {},
	"pkg/internal/atomicfile": {},
	"pkg/internal/filelock":   {},
	"pkg/internal/mempipe":    {},
	"pkg/internal/cidata":     {},
	"pkg/internal/recordings": {},
	"pkg/internal/testrun":    {},
}

// everywhere may be imported by every package: how foreign text is shown, and how commands are written.
var everywhere = []string{"pkg/internal/visible", "pkg/internal/shell", "pkg/internal/advice", "pkg/internal/pause"}

// forTests is what the tests of every package may use beside: the emulated world and the labs that ship.
var forTests = []string{"lab-specs", "pkg/pvesim", "pkg/pvesim/guesthost", "pkg/pvesim/console", "pkg/remote", "pkg/internal/mempipe", "pkg/internal/recordings"}

// vague names say nothing of what a package is for.
var vague = []string{"util", "utils", "common", "helper", "helpers", "types", "models", "manager", "misc"}

// source is one Go file of the repository.
type source struct {
	path    string // from the root of the repository
	pkg     string // folder
	test    bool
	lines   int
	set     *token.FileSet
	syntax  *ast.File
	problem error // it cannot be parsed
}

// at is the place of a node, to click on.
func (s source) at(position token.Pos) string {
	return s.path + ":" + strconv.Itoa(s.set.Position(position).Line)
}

// sources reads every Go file of the repository but generated ones.
func sources(tb testing.TB) []source {
	tb.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		tb.Fatal(err)
	}
	var all []source
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == "testdata" || strings.HasPrefix(name, ".")) && file != root:
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go" || strings.HasPrefix(name, "zz_"):
			return nil
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(file)
		all = append(all, parse(filepath.ToSlash(relative), string(content)))
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// parse reads one file, whose path is from the root of the repository.
func parse(file, content string) source {
	s := source{path: file, pkg: path.Dir(file), test: strings.HasSuffix(file, "_test.go"), set: token.NewFileSet()}
	s.lines = strings.Count(content, "\n")
	s.syntax, s.problem = parser.ParseFile(s.set, file, content, parser.ParseComments|parser.SkipObjectResolution)
	return s
}

// TestArrows fails on any import between our packages that the table does not have.
func TestArrows(t *testing.T) {
	for _, s := range sources(t) {
		for _, offender := range wrongArrows(s) {
			t.Error(offender)
		}
	}
}

func wrongArrows(s source) (offenders []string) {
	allowed, known := arrows[s.pkg]
	if !known {
		return []string{s.offence(s.syntax, "package %s is not in the table of arrows", s.pkg)}
	}
	if s.test {
		allowed = append(reachable(s.pkg), forTests...)
	}
	for _, spec := range s.syntax.Imports {
		target, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module+"/")
		if ours && target != s.pkg && !slices.Contains(allowed, target) && !slices.Contains(everywhere, target) && !slices.Contains(allowed, "*") {
			offenders = append(offenders, s.offence(spec, "%s must not import %s", s.pkg, target))
		}
	}
	return offenders
}

// reachable is what a package may import, what those may, and so on: tests make values for the packages below.
func reachable(pkg string) []string {
	found := slices.Clone(arrows[pkg])
	for i := 0; i < len(found); i++ {
		for _, next := range arrows[found[i]] {
			if !slices.Contains(found, next) {
				found = append(found, next)
			}
		}
	}
	return found
}

// TestPackageNames keeps out names that invite anything.
func TestPackageNames(t *testing.T) {
	for _, s := range sources(t) {
		if slices.Contains(vague, path.Base(s.pkg)) || slices.Contains(vague, s.syntax.Name.Name) {
			t.Errorf("%s: package name %s says nothing of what it is for", s.path, s.syntax.Name.Name)
		}
	}
}

// TestPackageComments wants every package to say what it is for.
func TestPackageComments(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		text := s.syntax.Doc.Text()
		isDoc := strings.HasPrefix(text, "Package "+s.syntax.Name.Name+" ") || s.syntax.Name.Name == "main" && text != ""
		documented[s.pkg] = documented[s.pkg] || isDoc
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s: no file has a comment that begins with \"Package %s\"", pkg, path.Base(pkg))
		}
	}
}
