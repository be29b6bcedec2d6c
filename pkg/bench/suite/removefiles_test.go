package suite

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/fio"
	"labctl/pkg/remote"
)

// shell runs commands here.
type shell struct{ fakeMachine }

func (*shell) Run(ctx context.Context, command remote.Command) (remote.Output, error) {
	run := exec.CommandContext(ctx, command.Argv[0], command.Argv[1:]...)
	run.Stdin = bytes.NewReader(command.Stdin)
	out, err := run.CombinedOutput()
	return remote.Output{Stdout: out}, err
}

// TestRemoveFiles removes the files that fio makes of a job, however they are called, and no others.
func TestRemoveFiles(t *testing.T) {
	all := []string{"data.bin", "many.0.0", "many.0.10", "many.0.11", "many.0.9", "many.1.0", "many.x", "odd-0.bin", "odd-1.bin", "other.0.0"}
	for options, left := range map[string]string{
		"name=named filename=data.bin":                            "many.0.0 many.0.10 many.0.11 many.0.9 many.1.0 many.x odd-0.bin odd-1.bin other.0.0",
		"name=many nrfiles=12":                                    "data.bin many.1.0 many.x odd-0.bin odd-1.bin other.0.0",
		"name=many numjobs=2":                                     "data.bin many.0.10 many.0.11 many.0.9 many.x odd-0.bin odd-1.bin other.0.0",
		"name=odd filename_format=$jobname-$jobnum.bin numjobs=2": "data.bin many.0.0 many.0.10 many.0.11 many.0.9 many.1.0 many.x other.0.0",
	} {
		folder := t.TempDir()
		for _, name := range all {
			if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var job fio.Job
		for word := range strings.FieldsSeq(options) {
			name, value, _ := strings.Cut(word, "=")
			job.Options = append(job.Options, fio.Option{Name: name, Value: value, HasValue: true})
		}
		if err := RemoveFiles(t.Context(), Target{Machine: &shell{}, Directory: folder}, job); err != nil {
			t.Errorf("%s: %v", options, err)
		}
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, entry := range entries {
			got = append(got, entry.Name())
		}
		if diff := cmp.Diff(strings.Fields(left), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", options, diff)
		}
	}
}

// TestRemoveFilesOfUnknownNames removes nothing where the names cannot be told.
func TestRemoveFilesOfUnknownNames(t *testing.T) {
	machine := &fakeMachine{}
	job := fio.Job{Options: []fio.Option{{Name: "name", Value: "x", HasValue: true}, {Name: "directory", Value: "/", HasValue: true}}}
	if err := RemoveFiles(t.Context(), Target{Machine: machine, Directory: "/tmp"}, job); err == nil || len(machine.ran) > 0 {
		t.Errorf("%v, ran %q", err, machine.ran)
	}
}
