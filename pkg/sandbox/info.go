// Package sandbox runs the emulated Proxmox VE together with its guests as one background process per state
// directory, and tells other processes how to reach it.
package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"labctl/pkg/internal/atomicfile"
)

// Info is how to reach a running sandbox. The file that holds it is readable by its owner only.
type Info struct {
	PID         int    `json:"pid"`
	Started     uint64 `json:"started"` // when the process started, in clock ticks since the machine did
	Major       int    `json:"pve"`     // emulated major version
	URL         string `json:"url"`
	Fingerprint string `json:"fingerprint"` // SHA-256 of the certificate
	TokenID     string `json:"token_id"`
	TokenSecret string `json:"token_secret"`
	Gateway     string `json:"gateway"` // host:port of an HTTP CONNECT proxy into the guests' network
	Host        Host   `json:"host"`
	Guests      string `json:"guests"`             // what VMs are: GuestProcesses or GuestQEMU
	Machines    string `json:"machines,omitempty"` // folder of the virtual machines, with their consoles
	KVM         bool   `json:"kvm"`                // they run with KVM
	NoKVM       string `json:"no_kvm,omitempty"`   // why they do not
	// Foreground says that a person runs it in a terminal, and ends it there.
	Foreground bool `json:"foreground,omitempty"`
}

// What the VMs of a sandbox are.
const (
	GuestProcesses = "processes" // of this machine
	GuestQEMU      = "qemu"      // virtual machines
)

// Host is the PVE node as a target: a process of this machine like every guest.
type Host struct {
	Name    string `json:"name"`
	Address string `json:"address"` // host:port behind the gateway
	User    string `json:"user"`
	HostKey string `json:"host_key"`
	KeyFile string `json:"key_file"` // private key that may log in
	// Directory is where the lab measures, as the node calls it.
	Directory string `json:"directory"`
}

// ErrNotRunning says that no sandbox runs for the directory.
var ErrNotRunning = errors.New("no sandbox is running")

func infoPath(dir string) string { return filepath.Join(dir, "sandbox.json") }

// LogPath is where a background sandbox writes its log.
func LogPath(dir string) string { return filepath.Join(dir, "sandbox.log") }

// Find returns how to reach the sandbox of the directory, or ErrNotRunning. One that is starting or ending does not run.
func Find(dir string) (Info, error) {
	locked, err := isLocked(dir)
	if err == nil && !locked {
		err = ErrNotRunning
	}
	if err != nil {
		return Info{}, err
	}
	return readInfo(dir)
}

// readInfo reads the address that a living process left, or fails with ErrNotRunning.
func readInfo(dir string) (Info, error) {
	data, err := os.ReadFile(infoPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, ErrNotRunning
	}
	if err != nil {
		return Info{}, fmt.Errorf("reading the sandbox's address: %w", err)
	}
	var info Info
	if err := json.Unmarshal(data, &info); err != nil {
		return Info{}, fmt.Errorf("reading the sandbox's address in %s: %w", infoPath(dir), err)
	}
	err = info.process().check()
	if errors.Is(err, errGone) {
		return Info{}, ErrNotRunning
	}
	return info, err
}

// HasEnded says whether the process of this sandbox is gone.
func (i Info) HasEnded() bool { return errors.Is(i.process().check(), errGone) }

func (i Info) process() process { return process{i.PID, i.Started} }

func (i Info) write(dir string) error {
	data, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the sandbox's address: %w", err)
	}
	return atomicfile.Write(infoPath(dir), append(data, '\n'), 0o600)
}
