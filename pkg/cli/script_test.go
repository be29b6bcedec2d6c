package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"labctl/pkg/internal/recordings"
	"labctl/pkg/sandbox"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"labctl": func() { os.Exit(Main(os.Args[1:])) },
	})
}

// TestScripts specifies the command line. Every script has its own state and configuration; its sandbox, if any is left,
// is stopped at its end.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("HOME", env.WorkDir)
			repository, err := filepath.Abs(filepath.Join("..", ".."))
			if err != nil {
				return err
			}
			env.Setenv("REPOSITORY", repository)
			env.Setenv("GUESTS", filepath.Join(env.WorkDir, "state", "labctl", "sandbox-host", "guests"))
			env.Defer(func() { stopSandbox(env.WorkDir) })
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "fio", "qemu-img", "qemu-system-x86_64":
				_, err := exec.LookPath(name)
				return err == nil, nil
			}
			return false, errors.New("unknown condition " + name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "serverconfig": serverConfig, "stopvm": stopVM, "awaitfile": awaitFile,
			"rememberSecret": rememberSecret, "nosecret": noSecret, "documented": documented, "damage": damage,
			"publisher": publisher, "follow": follow, "sandboxenv": sandboxEnv,
			"captured": captured,
		},
	})
}

// stopSandbox ends the sandbox that a failed script left running.
func stopSandbox(workDir string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_ = sandbox.Stop(ctx, filepath.Join(workDir, "state", "labctl", "sandbox-host"))
}

// captured is the script command "captured NAME": it puts a file of the repository's testdata, unpacked, into the
// script's folder.
func captured(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) != 1 {
		ts.Fatalf("usage: captured NAME")
	}
	text, err := recordings.File(args[0])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(path.Base(args[0])), text, 0o600))
}

// exits is the script command "exits CODE COMMAND...": it runs a command and checks its exit code.
func exits(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}
