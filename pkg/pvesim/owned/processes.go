package owned

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// The settings that mark the processes of a guest.
const (
	guestMark = "LABCTL_SANDBOX_GUEST"
	dirMark   = "LABCTL_SANDBOX_DIR"
)

// exitTime is how long a process may take to vanish after SIGKILL. Only one
// that is stuck in the kernel takes long.
const exitTime = 10 * time.Second

// marks are KEY=value settings; a process is ours when its environment has all.
type marks []string

// endProcesses kills every process with these marks and returns when none is
// left. The environment is the one thing that a process cannot leave behind by
// setsid, double fork or a change of directory.
//
// A child may be born behind the look's back by a process that is killed a
// moment later, so only two clean looks in a row count.
func endProcesses(marks marks) error {
	deadline := time.Now().Add(exitTime)
	for clean := 0; clean < 2; {
		pid, err := killOnce(marks)
		switch {
		case err != nil:
			return err
		case pid == 0:
			clean++
		case time.Now().After(deadline):
			return fmt.Errorf("processes of the guest keep appearing, process %d was the last", pid)
		default:
			clean = 0
		}
	}
	return nil
}

// killOnce looks at every process once, and kills those with the marks. It
// returns one that was not clean, or 0.
func killOnce(marks marks) (unclean int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, fmt.Errorf("listing processes: %w", err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		switch marks.in(pid) {
		case unmarked:
			continue
		case marked:
			if err := kill(pid, marks); err != nil {
				return 0, fmt.Errorf("ending process %d: %w", pid, err)
			}
		default:
		}
		unclean = pid
	}
	return unclean, nil
}

// kill ends one process and returns when it is gone.
func kill(pid int, marks marks) error {
	// The handle cannot come to mean another process; the number can.
	handle, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	defer unix.Close(handle)
	if marks.in(pid) != marked {
		return nil
	}
	if err := unix.PidfdSendSignal(handle, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("sending SIGKILL: %w", err)
	}
	return awaitExit(handle)
}

// marking is what a look at a process tells.
type marking int

const (
	unmarked  marking = iota
	marked            // it has the marks
	uncertain         // it is just executing a program, so its environment cannot be seen
)

// in looks for all marks in a process. One that is not ours to read, or has
// ended and waits for its parent, has none.
func (m marks) in(pid int) marking {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	environ, err := os.ReadFile(filepath.Join(dir, "environ"))
	if err != nil {
		return unmarked
	}
	if len(environ) == 0 {
		// Between the old program and the new one there is neither environment
		// nor command line; a program without environment has at least a name.
		if name, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && len(name) == 0 {
			return uncertain
		}
	}
	// Every setting is ended by a NUL byte, so this finds whole settings only.
	environ = append([]byte{0}, environ...)
	for _, mark := range m {
		if !bytes.Contains(environ, []byte("\x00"+mark+"\x00")) {
			return unmarked
		}
	}
	return marked
}

// awaitExit sleeps until the process is gone.
func awaitExit(handle int) error {
	deadline := time.Now().Add(exitTime)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("still there %v after SIGKILL: blocked on I/O?", exitTime)
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(handle), Events: unix.POLLIN}}, int(left/time.Millisecond)+1)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for its end: %w", err)
		}
	}
}
