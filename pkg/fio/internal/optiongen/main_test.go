package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestTableIsCurrent holds the checked-in table to the two files that it is made from.
func TestTableIsCurrent(t *testing.T) {
	made := filepath.Join(t.TempDir(), "options.go")
	if err := run("fio-3.33.txt", "verdicts.txt", made); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../zz_options.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("zz_options.go is not what go generate makes: run go generate ./pkg/fio")
	}
}

// TestEveryOptionHasAVerdict fails on an option that only fio knows.
func TestEveryOptionHasAVerdict(t *testing.T) {
	if err := judge(map[string]entry{"new": {"name": "new", "type": "boolean value (opt=1)"}}, "# none\n"); err == nil {
		t.Error("an option without a verdict passes")
	}
	if err := judge(map[string]entry{"new": {"name": "new", "type": "string (opt=bla)"}}, "new allow\n"); err == nil {
		t.Error("an option whose values nobody checks passes")
	}
}
