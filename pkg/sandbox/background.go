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
		_ = command.Process.Kill()
		_ = command.Wait()
		return Info{}, fmt.Errorf("starting the sandbox: %w (log: %s)", errors.Join(err, context.Cause(ctx)), LogPath(dir))
	}
	return info, command.Process.Release()
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

// Stop ends the sandbox of the directory and waits until it and its guests are gone. Without one it does nothing.
func Stop(ctx context.Context, dir string) error {
	info, err := Find(dir)
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := unix.Kill(info.PID, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("stopping the sandbox (process %d): %w", info.PID, err)
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		lock, err := tryLock(dir)
		if err == nil {
			return lock.Close()
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the sandbox (process %d) to end: %w", info.PID, context.Cause(ctx))
		}
	}
}
