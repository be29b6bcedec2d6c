package pkg_test

import (
	"strings"
	"testing"
)

// TestRules shows that every rule finds what it is there for, and leaves the rest alone.
func TestRules(t *testing.T) {
	branches := strings.Repeat("if a && b {}\n", 8)
	tests := map[string]struct {
		file      string
		bad, good string
	}{
		"parses":                  {"a.go", "package a\nfunc {", "package a"},
		"file length":             {"a_test.go", "package a\n" + strings.Repeat("\n", 500), "package a\n" + strings.Repeat("\n", 499)},
		"function length":         {"a.go", "package a\nfunc f() {" + strings.Repeat("\n", 70) + "}", "package a\nfunc f() {" + strings.Repeat("\n", 69) + "}"},
		"cyclomatic complexity":   {"a.go", "package a\nfunc f(a, b bool) {" + branches + "}", "package a\nfunc f(a, b bool) {" + branches[13:] + "}"},
		"no init functions":       {"a.go", "package a\nfunc init() {}", "package a\nfunc (t) init() {}"},
		"no sleeping":             {"a_test.go", "package a\nvar wait = time.Sleep", "package a\nvar wait = time.After"},
		"no printing":             {"a.go", "package a\nfunc f() { fmt.Println() }", "package a\nfunc f() { fmt.Fprintln(w) }"},
		"no exit outside of main": {"a.go", "package a\nfunc f() { os.Exit(1) }", "package main\nfunc f() { os.Exit(1) }"},
		"no panicking assertions": {"a.go", "package a\nvar x = y.(int)", "package a\nvar x, ok = y.(int)\nfunc f() { switch y.(type) {}\nif _, ok := y.(T); ok {} }"},
		"documentation":           {"a.go", "package a\n// The doc.\nfunc F() {}", "package a\n// F is one of\n// T's.\nfunc F() {}\n// Two numbers.\nconst (\nA = 1\nB = 2\n)\nfunc (t) G() {}"},
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			test, ok := tests[name]
			if !ok {
				t.Fatal("no example of what the rule finds")
			}
			if got := rule(parse(test.file, test.bad)); len(got) != 1 || !strings.HasPrefix(got[0], test.file+":") {
				t.Errorf("found %q, want one offender", got)
			}
			if got := rule(parse(test.file, test.good)); got != nil {
				t.Errorf("found %q in a good file", got)
			}
		})
	}
}

// TestArrowsBite shows that a forbidden import is found.
func TestArrowsBite(t *testing.T) {
	tests := map[string]struct {
		file, imports string
		wrong         bool
	}{
		"allowed":             {"pkg/lab/guestsetup/a.go", "labctl/pkg/labspec", false},
		"foreign":             {"pkg/lab/guestsetup/a.go", "github.com/spf13/cobra", false},
		"not in the row":      {"pkg/lab/guestsetup/a.go", "labctl/pkg/fio", true},
		"below, from a test":  {"pkg/lab/guestsetup/a_test.go", "labctl/pkg/fio", false},
		"above, from a test":  {"pkg/lab/guestsetup/a_test.go", "labctl/pkg/cli", true},
		"emulator and client": {"pkg/pvesim/a_test.go", "labctl/pkg/pve", true},
		"everything":          {"pkg/cli/a.go", "labctl/pkg/pvesim", false},
		"no row":              {"pkg/new/a.go", "fmt", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := wrongArrows(parse(test.file, "package a\nimport \""+test.imports+"\"")); (len(got) > 0) != test.wrong {
				t.Errorf("found %q", got)
			}
		})
	}
}
