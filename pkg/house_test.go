package pkg_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

const (
	maxFileLines     = 500
	maxFunctionLines = 70
	maxCyclomatic    = 15
)

// rule finds what is wrong in one file, each as file:line and the reason.
type rule func(s source) (offenders []string)

var rules = map[string]rule{
	"parses":                  parses,
	"file length":             fileLength,
	"function length":         functionLength,
	"cyclomatic complexity":   complexity,
	"no init functions":       noInit,
	"no sleeping":             calls("time.Sleep", "wait for what is awaited, with a context"),
	"no printing":             inCode(calls("fmt.Print", "write to a stream that was passed in")),
	"no exit outside of main": inCode(outsideMain(calls("os.Exit", "return an error"))),
	"no panicking assertions": inCode(typeAssertions),
	"documentation":           inCode(documentation),
}

// TestHouse holds every Go file against every rule.
func TestHouse(t *testing.T) {
	all := sources(t)
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			for _, s := range all {
				for _, offender := range rule(s) {
					t.Error(offender)
				}
			}
		})
	}
}

// offence is the place and the reason.
func (s source) offence(node ast.Node, format string, args ...any) string {
	return s.at(node.Pos()) + ": " + fmt.Sprintf(format, args...)
}

// inCode is the rule for all files but tests.
func inCode(r rule) rule {
	return func(s source) []string {
		if s.test {
			return nil
		}
		return r(s)
	}
}

// outsideMain is the rule for all packages but commands.
func outsideMain(r rule) rule {
	return func(s source) []string {
		if s.syntax.Name.Name == "main" {
			return nil
		}
		return r(s)
	}
}

func parses(s source) []string {
	if s.problem == nil {
		return nil
	}
	return []string{s.path + ": " + s.problem.Error()}
}

func fileLength(s source) []string {
	if s.lines <= maxFileLines {
		return nil
	}
	return []string{fmt.Sprintf("%s:1: %d lines, at most %d", s.path, s.lines, maxFileLines)}
}

// functions are the functions and methods with a body.
func (s source) functions() []*ast.FuncDecl {
	var all []*ast.FuncDecl
	for _, declaration := range s.syntax.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok && function.Body != nil {
			all = append(all, function)
		}
	}
	return all
}

// functionLength exempts test functions: their tables are long.
func functionLength(s source) (offenders []string) {
	for _, function := range s.functions() {
		lines := s.set.Position(function.End()).Line - s.set.Position(function.Pos()).Line + 1
		if lines > maxFunctionLines && (!s.test || !isTest(function)) {
			offenders = append(offenders, s.offence(function, "%s has %d lines, at most %d", function.Name.Name, lines, maxFunctionLines))
		}
	}
	return offenders
}

func isTest(function *ast.FuncDecl) bool {
	for _, prefix := range []string{"Test", "Benchmark", "Fuzz", "Example"} {
		if strings.HasPrefix(function.Name.Name, prefix) {
			return true
		}
	}
	return false
}

// complexity exempts tests, where every check is a branch.
func complexity(s source) (offenders []string) {
	for _, function := range s.functions() {
		if ways := cyclomatic(function); ways > maxCyclomatic && !s.test {
			offenders = append(offenders, s.offence(function, "%s has cyclomatic complexity %d, at most %d", function.Name.Name, ways, maxCyclomatic))
		}
	}
	return offenders
}

// cyclomatic counts the ways through a function, function literals in it included.
func cyclomatic(function *ast.FuncDecl) int {
	ways := 1
	ast.Inspect(function, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			ways++
		case *ast.CaseClause:
			if node.List != nil {
				ways++
			}
		case *ast.CommClause:
			if node.Comm != nil {
				ways++
			}
		case *ast.BinaryExpr:
			if node.Op == token.LAND || node.Op == token.LOR {
				ways++
			}
		}
		return true
	})
	return ways
}

func noInit(s source) (offenders []string) {
	for _, function := range s.functions() {
		if function.Name.Name == "init" && function.Recv == nil {
			offenders = append(offenders, s.offence(function, "init function"))
		}
	}
	return offenders
}

// calls bans functions whose name, with the package, begins like that.
func calls(banned, instead string) rule {
	return func(s source) (offenders []string) {
		ast.Inspect(s.syntax, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := selector.X.(*ast.Ident); ok && strings.HasPrefix(pkg.Name+"."+selector.Sel.Name, banned) {
				offenders = append(offenders, s.offence(selector, "%s.%s: %s", pkg.Name, selector.Sel.Name, instead))
			}
			return true
		})
		return offenders
	}
}

// typeAssertions bans those that take one value, and so panic.
func typeAssertions(s source) (offenders []string) {
	checked := map[ast.Expr]bool{}
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.AssignStmt:
			if len(node.Lhs) == 2 && len(node.Rhs) == 1 {
				checked[node.Rhs[0]] = true
			}
		case *ast.ValueSpec:
			if len(node.Names) == 2 && len(node.Values) == 1 {
				checked[node.Values[0]] = true
			}
		case *ast.TypeAssertExpr:
			if node.Type != nil && !checked[node] { // a type switch has no type
				offenders = append(offenders, s.offence(node, "type assertion with one value"))
			}
		}
		return true
	})
	return offenders
}
