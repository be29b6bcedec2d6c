package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// errGone says that a process has ended.
var errGone = errors.New("the process has ended")

// process is a process that its number alone does not tell from a later one.
type process struct {
	pid int
	// started is when it started, in clock ticks since the machine did.
	started uint64
}

func thisProcess() (process, error) {
	started, err := startOf(os.Getpid())
	return process{os.Getpid(), started}, err
}

// check fails with errGone when the process has ended.
func (p process) check() error {
	started, err := startOf(p.pid)
	if err == nil && started != p.started {
		return errGone
	}
	return err
}

// startOf reads when a process started. One that has ended and waits for its parent is gone.
func startOf(pid int) (uint64, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return 0, errGone
	}
	if err != nil {
		return 0, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	state, started, err := parseStat(stat)
	if err == nil && (state == 'Z' || state == 'X') {
		return 0, errGone
	}
	return started, err
}

// parseStat reads the state and the start time, fields 3 and 22 of /proc/PID/stat (proc_pid_stat(5)). Field 2, the name in
// parentheses, may hold anything.
func parseStat(stat []byte) (state byte, started uint64, err error) {
	const stateAt, startedAt = 0, 19 // among those behind the name
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= startedAt {
		return 0, 0, fmt.Errorf("reading a process's start: %q has too few fields", stat)
	}
	started, err = strconv.ParseUint(string(fields[startedAt]), 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("reading a process's start: %w", err)
	}
	return fields[stateAt][0], started, nil
}

// terminate sends SIGTERM and waits until the process has ended, or ctx.
func (p process) terminate(ctx context.Context) error {
	// The handle cannot come to mean another process; the number can.
	handle, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the process: %w", err)
	}
	defer unix.Close(handle)
	if err := p.check(); err != nil {
		if errors.Is(err, errGone) {
			return nil
		}
		return err
	}
	if err := unix.PidfdSendSignal(handle, unix.SIGTERM, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("sending SIGTERM: %w", err)
	}
	return awaitEnd(ctx, handle)
}

// awaitEnd waits until the process has ended, or ctx.
func awaitEnd(ctx context.Context, handle int) error {
	const glance = 50 * time.Millisecond // at ctx
	for ctx.Err() == nil {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(handle), Events: unix.POLLIN}}, int(glance.Milliseconds()))
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for its end: %w", err)
		}
	}
	return fmt.Errorf("waiting for its end: %w", context.Cause(ctx))
}
