package fio_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"labctl/pkg/fio"
)

// cell is a root directory that holds fio and nothing that it may touch but the directory /work.
type cell struct{ root string }

// launcher is the environment variable that makes this test binary limit itself, enter a cell and become fio.
const launcher = "LABCTL_TEST_LAUNCH_FIO"

func TestMain(m *testing.M) {
	if os.Getenv(launcher) != "" {
		fmt.Fprintln(os.Stderr, becomeFio(os.Args))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// becomeFio bounds what a hostile job could fill, and runs fio in the working directory of the cell.
func becomeFio(args []string) error {
	for resource, limit := range map[int]uint64{syscall.RLIMIT_FSIZE: 4 << 20, syscall.RLIMIT_AS: 2 << 30, syscall.RLIMIT_CORE: 0} {
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			return err
		}
	}
	return syscall.Exec("/fio", args, []string{"PATH=/bin:/usr/bin", "HOME=/root"})
}

// newCell skips the test where there is no fio, or no root to lock it up.
func newCell(t testing.TB) cell {
	t.Helper()
	program, err := exec.LookPath("fio")
	if err != nil {
		t.Skip("fio is not installed")
	}
	if os.Geteuid() != 0 {
		t.Skip("locking fio up in a directory needs root")
	}
	c := cell{t.TempDir()}
	libraries, err := exec.Command("ldd", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	c.copy(t, program, "/fio")
	for _, word := range strings.Fields(string(libraries)) {
		if filepath.IsAbs(word) {
			c.copy(t, word, word)
		}
	}
	c.copy(t, os.Args[0], "/launcher")
	// What a job could read, write, run or delete.
	for _, name := range []string{"/etc/passwd", "/etc/shadow", "/bin/sh", "/bin/bc", "/usr/bin/which", "/tmp/victim", "/tmp/victim.0.0", "/victim.0.0", "/dev/sda", "/root/job.fio", "/x.so"} {
		c.write(t, name, "of somebody else")
	}
	check(t, os.Mkdir(c.root+"/work", 0o755))
	return c
}

func (c cell) copy(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	check(t, err)
	c.write(t, to, string(data))
}

func (c cell) write(t testing.TB, name, text string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(c.root+name), 0o755))
	check(t, os.WriteFile(c.root+name, []byte(text), 0o755))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs fio in namespaces of its own, ends it after a while, and returns what it opened outside of its directory.
func (c cell) run(t testing.TB, job fio.Job, limit time.Duration) (outside []string) {
	t.Helper()
	check(t, os.RemoveAll(c.root+"/work"))
	check(t, os.Mkdir(c.root+"/work", 0o755))
	before := c.files(t)
	eyes := c.watch(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	command := exec.CommandContext(ctx, "/launcher")
	command.Args, command.Dir, command.Env = job.Args(), "/work", []string{launcher + "=1"}
	command.SysProcAttr = &syscall.SysProcAttr{
		Chroot:     c.root,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
	}
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	err := command.Run()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("locking fio up in a directory needs root")
	}
	if !ran(err) {
		t.Fatalf("%v: %v: %s", job.Args(), err, said.String())
	}
	outside = eyes.opened(t)
	if after := c.files(t); !maps.Equal(before, after) {
		outside = append(outside, "the files outside have changed")
	}
	return outside
}

// ran says that fio itself was run, whatever it made of the job, and ended or was ended.
func ran(err error) bool {
	var exit *exec.ExitError
	return err == nil || errors.As(err, &exit) || errors.Is(err, context.DeadlineExceeded)
}

// files are the files outside of the directory of fio, as they are.
func (c cell) files(t testing.TB) map[string]string {
	t.Helper()
	found := map[string]string{}
	check(t, filepath.WalkDir(c.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == c.root+"/work" {
			return fs.SkipDir
		}
		info, err := entry.Info()
		if err == nil && !entry.IsDir() {
			found[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime())
		}
		return err
	}))
	return found
}

// made are the files in the directory of fio.
func (c cell) made(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(c.root + "/work")
	check(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// eyes watch every folder of a cell but the directory of fio.
type eyes struct {
	fd      int
	folders map[int32]string
}

func (c cell) watch(t testing.TB) eyes {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	check(t, err)
	e := eyes{fd, map[int32]string{}}
	check(t, filepath.WalkDir(c.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if path == c.root+"/work" {
			return fs.SkipDir
		}
		watch, err := unix.InotifyAddWatch(fd, path, unix.IN_OPEN|unix.IN_CREATE|unix.IN_DELETE|unix.IN_MODIFY|unix.IN_MOVE|unix.IN_ATTRIB)
		e.folders[int32(watch)] = strings.TrimPrefix(path, c.root)
		return err
	}))
	return e
}

// opened are the files that were opened or changed since, but for the program and its libraries.
func (e eyes) opened(t testing.TB) []string {
	t.Helper()
	defer unix.Close(e.fd) //nolint:errcheck // nothing is written
	var names []string
	buffer := make([]byte, 64<<10)
	for {
		n, err := unix.Read(e.fd, buffer)
		if n <= 0 || err != nil {
			break
		}
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			watch := int32(binary.NativeEndian.Uint32(buffer[at:]))
			mask := binary.NativeEndian.Uint32(buffer[at+4:])
			length := int(binary.NativeEndian.Uint32(buffer[at+12:]))
			name := strings.TrimRight(string(buffer[at+unix.SizeofInotifyEvent:at+unix.SizeofInotifyEvent+length]), "\x00")
			at += unix.SizeofInotifyEvent + length
			path := e.folders[watch] + "/" + name
			if name != "" && mask&unix.IN_ISDIR == 0 && !ofFio(path) && !slices.Contains(names, path) {
				names = append(names, path)
			}
		}
	}
	return names
}

// ofFio names what the loader opens to run fio.
func ofFio(path string) bool {
	return path == "/fio" || path == "/launcher" || strings.HasPrefix(path, "/lib") || strings.HasPrefix(path, "/usr/lib")
}
