package zvol

import (
	"context"
	_ "embed" // for the script
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"labctl/pkg/remote"
)

//go:embed hold.pl
var holdScript string

// Host is the login on the PVE host; *remote.Host is one.
type Host interface {
	Run(ctx context.Context, command remote.Command) (remote.Output, error)
	RunDetached(ctx context.Context, command remote.Detached) (remote.DetachedResult, error)
	WriteFile(ctx context.Context, path string, mode fs.FileMode, content []byte) error
}

// awaitScript prints a file as soon as it is there. Arguments: the file, below the home, and how many seconds to wait.
const awaitScript = `cd || exit
for second in $(seq "$2"); do
	for tenth in 1 2 3 4 5 6 7 8 9 10; do
		[ ! -e "$1" ] || exec cat "$1"
		sleep 0.1
	done
done
exit 75`

const (
	// awaitTime is how long one session on the host waits for a look, exitAgain is what it then ends with.
	awaitTime = 30 * time.Second
	exitAgain = 75
	// lookTime bounds a look: reading every open file of a host, and waiting for udev.
	lookTime = 3 * time.Minute
)

// holder is a hold.pl that runs on the host: it holds the device from the first look to the end of what it was told to do.
type holder struct {
	host   Host
	folder string // below the home
	looks  int
	ended  chan struct{}
	result remote.DetachedResult
	err    error
}

// hold starts hold.pl. It is a detached command like any fio: it outlives a lost connection, and is stopped in the same way.
func hold(ctx context.Context, host Host, wanted Wanted, command remote.Detached) *holder {
	h := &holder{host: host, folder: remote.DetachedFolder(command.ID), ended: make(chan struct{})}
	argv := []string{
		"perl", "-e", holdScript, "--", "device=" + wanted.Device, fmt.Sprintf("vmid=%d", wanted.VMID),
		fmt.Sprintf("offset=%d", wanted.Token.OffsetBytes), "folder=" + h.folder, "--",
	}
	command.Argv = append(argv, command.Argv...)
	go func() {
		defer close(h.ended)
		h.result, h.err = host.RunDetached(ctx, command)
	}()
	return h
}

// look waits for the next look.
func (h *holder) look(ctx context.Context) (Look, error) {
	h.looks++
	ctx, cancel := context.WithTimeoutCause(ctx, lookTime, fmt.Errorf("no look at the device within %s", lookTime))
	defer cancel()
	go func() { // a hold.pl that has ended writes no look
		select {
		case <-h.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	file := fmt.Sprintf("%s/look.%d", h.folder, h.looks)
	for {
		output, err := h.host.Run(ctx, remote.Command{Argv: []string{"sh", "-c", awaitScript, "labctl", file, fmt.Sprint(int(awaitTime.Seconds()))}})
		var exit *remote.ExitError
		var lost *remote.ConnectionLostError
		switch {
		case err == nil:
			return ParseLook(string(output.Stdout))
		case h.hasEnded():
			return Look{}, h.failure()
		case errors.As(err, &exit) && exit.Code == exitAgain, errors.As(err, &lost):
		default:
			return Look{}, fmt.Errorf("looking at the device: %w", err)
		}
	}
}

// say answers the last look.
func (h *holder) say(ctx context.Context, verdict string) error {
	file := fmt.Sprintf("%s/verdict.%d", h.folder, h.looks)
	err := h.host.WriteFile(ctx, file, 0o600, []byte(verdict+"\n"))
	var lost *remote.ConnectionLostError
	if errors.As(err, &lost) { // the same verdict again changes nothing
		err = h.host.WriteFile(ctx, file, 0o600, []byte(verdict+"\n"))
	}
	return err
}

// wait waits for the end.
func (h *holder) wait() (remote.DetachedResult, error) {
	<-h.ended
	return h.result, h.err
}

func (h *holder) hasEnded() bool {
	select {
	case <-h.ended:
		return true
	default:
		return false
	}
}

// failure says why hold.pl ended before it was told to.
func (h *holder) failure() error {
	switch {
	case h.err != nil:
		return h.err
	case h.result.ExitCode == 127:
		return fmt.Errorf("holding the device: the host has no perl: apt-get install perl-base")
	default:
		return fmt.Errorf("holding the device: hold.pl ended with %d: %s", h.result.ExitCode, strings.TrimSpace(string(h.result.Stderr)))
	}
}
