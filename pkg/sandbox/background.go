package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ReadyFD is the file descriptor on which a sandbox that was started by Start reports, as one line of JSON, that it is
// ready, or why not.
const ReadyFD = 3

// report is the line on ReadyFD.
type report struct {
	Info  *Info  `json:"info,omitempty"`
	Error string `json:"error,omitempty"`
}

// Start runs the command, which must end in Serve, as a background process that outlives this one, and waits until it
// is ready. Its log goes to LogPath.
func Start(ctx context.Context, dir string, argv []string) (Info, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Info{}, fmt.Errorf("starting the sandbox: %w", err)
	}
	log, err := os.OpenFile(LogPath(dir), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return Info{}, fmt.Errorf("starting the sandbox: %w", err)
	}
	defer log.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return Info{}, fmt.Errorf("starting the sandbox: %w", err)
	}
	defer reader.Close()
	command := exec.Command(argv[0], argv[1:]...) //nolint:noctx // it has to outlive ctx
	command.Stdout, command.Stderr = log, log
	command.ExtraFiles = []*os.File{writer}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = command.Start()
	closeErr := writer.Close()
	if err := errors.Join(err, closeErr); err != nil {
		return Info{}, fmt.Errorf("starting the sandbox: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = reader.Close() })
	defer stop()
	info, err := awaitReady(reader)
	if err != nil {
		end(command, cleanUpTime)
		err = errors.Join(err, context.Cause(ctx), Sweep(context.WithoutCancel(ctx), dir))
		return Info{}, fmt.Errorf("starting the sandbox: %w (log: %s)", err, LogPath(dir))
	}
	return info, command.Process.Release()
}

// cleanUpTime is how long a sandbox that failed to start may take to clean up.
const cleanUpTime = 5 * time.Second

// end ends a sandbox that did not become ready, by force after the limit. How it ends does not matter: what it leaves is swept.
func end(command *exec.Cmd, limit time.Duration) {
	_ = command.Process.Signal(unix.SIGTERM)
	kill := time.AfterFunc(limit, func() { _ = command.Process.Kill() })
	defer kill.Stop()
	_ = command.Wait()
}

func awaitReady(pipe *os.File) (Info, error) {
	line, err := bufio.NewReader(pipe).ReadBytes('\n')
	if err != nil {
		return Info{}, errors.New("it ended before it was ready")
	}
	var message report
	if err := json.Unmarshal(line, &message); err != nil {
		return Info{}, err
	}
	if message.Info == nil {
		return Info{}, errors.New(strings.TrimSpace(message.Error))
	}
	return *message.Info, nil
}

// Report tells the process that called Start how starting went. Without such a process it does nothing.
func Report(info *Info, failure error) error {
	pipe := os.NewFile(ReadyFD, "ready")
	if pipe == nil {
		return nil
	}
	message := report{Info: info}
	if failure != nil {
		message.Error = failure.Error()
	}
	line, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("reporting readiness: %w", err)
	}
	_, err = pipe.Write(append(line, '\n'))
	return errors.Join(err, pipe.Close())
}

// stopTime bounds the end of a sandbox; ending a guest's process takes at most ten seconds.
const stopTime = time.Minute

// Stop ends the sandbox of the directory, waits until its process is gone, and removes what may be left of it or, when
// none runs, of an earlier one.
func Stop(ctx context.Context, dir string) error {
	info, err := Find(dir)
	if errors.Is(err, ErrNotRunning) {
		return Sweep(ctx, dir)
	}
	if err != nil {
		return err
	}
	late := fmt.Errorf("it still runs %v after SIGTERM: see %s, then end it with `kill -9 %d`", stopTime, LogPath(dir), info.PID)
	limited, cancel := context.WithTimeoutCause(ctx, stopTime, late)
	defer cancel()
	if err := info.process().terminate(limited); err != nil {
		return fmt.Errorf("stopping the sandbox (process %d): %w", info.PID, err)
	}
	return Sweep(ctx, dir)
}
