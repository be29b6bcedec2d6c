package pkg_test

import (
	"go/ast"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// foreignJSON are the packages whose JSON is that of other programs: Proxmox VE, fio, QEMU, the lab file.
var foreignJSON = []string{"pkg/pve", "pkg/pvesim", "pkg/fio", "pkg/labspec", "pkg/e2e", "pkg/internal/recordings"}

var snakeCase = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// jsonTags finds fields whose name in JSON is not in the one style of what labctl writes.
func jsonTags(s source) (offenders []string) {
	foreign := slices.ContainsFunc(foreignJSON, func(pkg string) bool { return s.pkg == pkg || strings.HasPrefix(s.pkg, pkg+"/") })
	if s.test || foreign {
		return nil
	}
	for name, field := range jsonNames(s) {
		if !snakeCase.MatchString(name) {
			offenders = append(offenders, s.offence(field, "JSON name %q is not in snake_case", name))
		}
	}
	return offenders
}

// jsonNames are the names in JSON of the fields of a file's structs.
func jsonNames(s source) map[string]*ast.Field {
	names := map[string]*ast.Field{}
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		field, ok := node.(*ast.Field)
		if !ok || field.Tag == nil {
			return true
		}
		text, err := strconv.Unquote(field.Tag.Value)
		name, _, _ := strings.Cut(reflect.StructTag(text).Get("json"), ",")
		if err == nil && name != "" && name != "-" {
			names[name] = field
		}
		return true
	})
	return names
}

func TestJSONNames(t *testing.T) {
	for _, s := range sources(t) {
		for _, offender := range jsonTags(s) {
			t.Error(offender)
		}
	}
	bad := parse("pkg/cli/a.go", "package a\ntype t struct{ A int `json:\"someName,omitempty\"`; B int `json:\"some_name\"` }")
	if got := jsonTags(bad); len(got) != 1 {
		t.Errorf("found %q, want one offender", got)
	}
}

// TestJSONIsDocumented wants every field that a command prints to stand in the page about JSON.
func TestJSONIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sources(t) {
		if s.pkg != "pkg/cli" || s.test {
			continue
		}
		for name, field := range jsonNames(s) {
			if !regexp.MustCompile("[`.]" + name + "(\\[\\])?`").Match(page) {
				t.Errorf("%s: docs/json.md does not have `%s`", s.at(field.Pos()), name)
			}
		}
	}
}
