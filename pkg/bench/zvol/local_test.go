package zvol

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"labctl/pkg/remote"
)

// localHost runs commands on this machine, with a home and programs of its own in front of the machine's.
type localHost struct {
	home, bin string
}

func (h localHost) command(ctx context.Context, argv []string) *exec.Cmd {
	command := exec.CommandContext(ctx, "env", argv...) // finds programs on the new PATH
	command.Dir = h.home
	command.Env = append(os.Environ(), "HOME="+h.home, "PATH="+h.bin+":"+os.Getenv("PATH"))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	return command
}

func (h localHost) Run(ctx context.Context, c remote.Command) (remote.Output, error) {
	var stdout, stderr bytes.Buffer
	command := h.command(ctx, c.Argv)
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = &remote.ExitError{Target: "pve", Code: exit.ExitCode(), Stderr: stderr.Bytes()}
	}
	return remote.Output{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}, err
}

func (h localHost) RunDetached(ctx context.Context, c remote.Detached) (remote.DetachedResult, error) {
	if err := os.MkdirAll(filepath.Join(h.home, remote.DetachedFolder(c.ID)), 0o700); err != nil {
		return remote.DetachedResult{}, err
	}
	output, err := h.Run(ctx, remote.Command{Argv: c.Argv})
	result := remote.DetachedResult{Stdout: output.Stdout, Stderr: output.Stderr}
	var exit *remote.ExitError
	if errors.As(err, &exit) {
		result.ExitCode, err = exit.Code, nil
	}
	return result, err
}

func (h localHost) WriteFile(_ context.Context, path string, mode fs.FileMode, content []byte) error {
	file := filepath.Join(h.home, path)
	if err := os.WriteFile(file+".new", content, mode); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
