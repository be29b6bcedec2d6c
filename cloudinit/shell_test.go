package cloudinit

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// realTools are what the scripts may use of this machine in a test: nothing here formats, mounts or installs.
var realTools = []string{
	"awk", "basename", "cat", "cut", "date", "df", "dirname", "env", "flock", "grep", "head", "ln", "ls", "mkdir", "nproc",
	"readlink", "sed", "sh", "sha256sum", "tail", "tee", "tr", "true", "uname",
}

// shell runs scripts with a PATH of its own. Each fake tool writes how it was called to the file calls.
type shell struct {
	tb  testing.TB
	dir string
	env []string
}

func newShell(tb testing.TB) *shell {
	tb.Helper()
	s := &shell{tb: tb, dir: tb.TempDir()}
	for _, folder := range []string{"bin", "dev/disk/by-id", "etc"} {
		if err := os.MkdirAll(filepath.Join(s.dir, folder), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	s.write("calls", "")
	for _, tool := range realTools {
		path, err := exec.LookPath(tool)
		if err != nil {
			tb.Skipf("%s is not installed", tool)
		}
		if err := os.Symlink(path, s.path("bin", tool)); err != nil {
			tb.Fatal(err)
		}
	}
	s.setenv("PATH", s.path("bin"))
	return s
}

func (s *shell) path(elements ...string) string {
	return filepath.Join(append([]string{s.dir}, elements...)...)
}

// setenv sets a variable; the last value counts.
func (s *shell) setenv(key, value string) { s.env = append(s.env, key+"="+value) }

func (s *shell) write(name, content string) {
	s.tb.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o755); err != nil {
		s.tb.Fatal(err)
	}
	if err := os.WriteFile(s.path(name), []byte(content), 0o644); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *shell) read(name string) string {
	s.tb.Helper()
	content, err := os.ReadFile(s.path(name))
	if err != nil {
		s.tb.Fatal(err)
	}
	return string(content)
}

// fake puts a tool on the PATH that writes down its call and then does what the body says; $T is the test's folder.
func (s *shell) fake(name, body string) {
	s.tb.Helper()
	script := "#!/bin/sh\nT=" + s.dir + "\necho \"" + name + " $*\" >>$T/calls\n" + body + "\n"
	path := s.path("bin", name)
	if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, []byte(script), 0o755)); err != nil {
		s.tb.Fatal(err)
	}
}

// remove takes a tool off the PATH.
func (s *shell) remove(name string) {
	s.tb.Helper()
	if err := os.RemoveAll(s.path("bin", name)); err != nil {
		s.tb.Fatal(err)
	}
}

// calls returns the calls of fake tools so far that begin with a prefix.
func (s *shell) calls(prefix string) []string {
	s.tb.Helper()
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(s.read("calls")), "\n"), func(call string) bool {
		return call == "" || !strings.HasPrefix(call, prefix)
	})
}

// run runs a script with sh, as it is done on a target.
func (s *shell) run(script string) (stdout, stderr string, code int) {
	s.tb.Helper()
	command := exec.Command(s.path("bin", "sh"), "-c", script)
	command.Dir, command.Env = s.dir, s.env
	var out, talk bytes.Buffer
	command.Stdout, command.Stderr = &out, &talk
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.tb.Fatal(err)
	}
	return out.String(), talk.String(), command.ProcessState.ExitCode()
}

// relocate makes a script find this machine's files in the test's folder.
func relocate(tb testing.TB, script string, replacements ...string) string {
	tb.Helper()
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(script, replacements[i]) {
			tb.Fatalf("the script has no %q", replacements[i])
		}
	}
	return strings.NewReplacer(replacements...).Replace(script)
}

func TestShellcheck(t *testing.T) {
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("shellcheck is not installed")
	}
	if report, err := exec.Command(shellcheck, "--shell=sh", "prepare.sh", "facts.sh").CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, report)
	}
}
