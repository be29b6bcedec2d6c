package pkg_test

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// readRoot reads a file at the root of the repository.
func readRoot(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSwitchesAreDocumented looks for every flag and every variable of the environment that tests define or read.
func TestSwitchesAreDocumented(t *testing.T) {
	page := readRoot(t, "CONTRIBUTING.md")
	found := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test && s.pkg != "pkg/internal/recordings" {
			continue
		}
		for _, name := range switches(s) {
			found[name] = true
			if !strings.Contains(page, name) {
				t.Errorf("%s: CONTRIBUTING.md does not name %s", s.path, name)
			}
		}
	}
	for _, name := range []string{"-update", "-kill", "LABCTL_EXCHANGES", "LABCTL_CONTRACT_"} {
		if !found[name] {
			t.Errorf("%s is not found in the tests", name)
		}
	}
}

// switches are the flags that a file defines, as -name, and the variables LABCTL_* that it reads.
func switches(s source) (names []string) {
	values := constants(s)
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch pkg, function := callee(call); {
		case pkg == "flag" && function != "Set" && len(call.Args) > 1:
			for _, text := range texts(call.Args[:2], values) { // flag.BoolVar has the name second
				names = append(names, "-"+text)
				break
			}
		case pkg == "os" && (function == "Getenv" || function == "LookupEnv"):
			for _, text := range texts(call.Args, values) {
				if strings.HasPrefix(text, "LABCTL_") {
					names = append(names, text)
				}
			}
		}
		return true
	})
	return names
}

// callee is the package and the name of a called function.
func callee(call *ast.CallExpr) (pkg, function string) {
	if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
		if name, ok := selector.X.(*ast.Ident); ok {
			return name.Name, selector.Sel.Name
		}
	}
	return "", ""
}

// constants are the texts that names of a file stand for.
func constants(s source) map[string]string {
	values := map[string]string{}
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok {
			for i, value := range spec.Values {
				if text, ok := textOf(value); ok && i < len(spec.Names) {
					values[spec.Names[i].Name] = text
				}
			}
		}
		return true
	})
	return values
}

// texts are the string literals in expressions, and the texts of the constants in them.
func texts(expressions []ast.Expr, values map[string]string) (found []string) {
	for _, expression := range expressions {
		ast.Inspect(expression, func(node ast.Node) bool {
			if text, ok := textOf(node); ok {
				found = append(found, text)
			}
			if name, ok := node.(*ast.Ident); ok && values[name.Name] != "" {
				found = append(found, values[name.Name])
			}
			return true
		})
	}
	return found
}

func textOf(node ast.Node) (string, bool) {
	literal, ok := node.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}

var (
	phony       = regexp.MustCompile(`(?m)^\.PHONY: (.*)$`)
	makeCommand = regexp.MustCompile("`make ([^`]*)`")
	makeTarget  = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
)

// TestMakeTargets compares the commands of make in CONTRIBUTING.md with the Makefile, both ways.
func TestMakeTargets(t *testing.T) {
	m := phony.FindStringSubmatch(readRoot(t, "Makefile"))
	if m == nil {
		t.Fatal("the Makefile has no .PHONY")
	}
	targets := strings.Fields(m[1])
	named := map[string]bool{}
	for _, m := range makeCommand.FindAllStringSubmatch(readRoot(t, "CONTRIBUTING.md"), -1) {
		for word := range strings.FieldsSeq(m[1]) {
			if strings.Contains(word, "=") {
				break // what follows is for go test
			}
			named[word] = makeTarget.MatchString(word)
		}
	}
	for _, target := range targets {
		if !named[target] {
			t.Errorf("CONTRIBUTING.md does not name make %s", target)
		}
	}
	for target := range named {
		if !slices.Contains(targets, target) {
			t.Errorf("CONTRIBUTING.md names make %s, which is not in the Makefile", target)
		}
	}
}

// TestSwitchesAreFound shows that a switch is found however it is written.
func TestSwitchesAreFound(t *testing.T) {
	const text = `package a
const name = "LABCTL_A"
var b = flag.Bool("b", false, "")
func init() {
	flag.BoolVar(&c, "c", false, "")
	os.Getenv(name); os.LookupEnv("LABCTL_B"); os.Getenv("LABCTL_C_" + x); os.Getenv("HOME")
}`
	want := []string{"-b", "-c", "LABCTL_A", "LABCTL_B", "LABCTL_C_"}
	if got := switches(parse("pkg/a/a_test.go", text)); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}
