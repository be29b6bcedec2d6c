package guestimage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sys/unix"
)

// tool is a program and the Debian package that has it.
type tool struct{ program, pkg string }

// runners are needed to run virtual machines, builders to make their image.
func runners() []tool {
	return []tool{{"qemu-system-x86_64", "qemu-system-x86"}, {"qemu-img", "qemu-utils"}}
}

func builders() []tool {
	return append(runners(), tool{"mmdebstrap", "mmdebstrap"}, tool{"mkfs.ext4", "e2fsprogs"})
}

// CheckRunner says which packages are missing to run virtual machines.
func CheckRunner() error { return check(runners()) }

// checkBuilder says what is missing to build the image.
func checkBuilder() error {
	if err := check(builders()); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("building the sandbox's image needs root, once: run `sudo -E labctl sandbox image`, or give a cloud image that you have with --sandbox-image FILE")
	}
	return nil
}

func check(tools []tool) error {
	var programs, missing []string
	for _, t := range tools {
		if _, err := exec.LookPath(t.program); err != nil {
			programs, missing = append(programs, t.program), append(missing, t.pkg)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("the sandbox's virtual machines need %s: apt-get install %s", strings.Join(programs, ", "), strings.Join(missing, " "))
}

// takeLock waits for the lock of a file, until ctx ends. The kernel drops it however the process ends.
func takeLock(ctx context.Context, path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = backoff.Retry(func() error {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(backoff.NewConstantBackOff(100*time.Millisecond), ctx))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
