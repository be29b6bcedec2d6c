package guestqemu

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// probeTime bounds the guest that proves KVM: on a processor it is done in tenths of a second.
const probeTime = 5 * time.Second

// probeWord is what the probe guest writes to its serial port.
const probeWord = "labctl:kvm-works\n"

// bootSector is the probe guest: 200 million rounds of a loop, then a word on the serial port, then a halt. A processor
// takes a tenth of a second for that, a KVM that interprets the guest takes minutes.
//
// In the 16-bit code of a boot sector (Intel SDM, volume 2):
//
//	mov ecx, 200000000; again: dec ecx; jnz again
//	mov si, 0x7c00+text; mov dx, 0x3f8; next: lodsb; test al, al; jz done; out dx, al; jmp next
//	done: hlt; jmp done
func bootSector() []byte {
	const rounds, text = 200_000_000, 64
	sector := make([]byte, 512)
	code := []byte{0x66, 0xb9, 0, 0, 0, 0, 0x66, 0x49, 0x75, 0xfc}
	binary.LittleEndian.PutUint32(code[2:], rounds)
	code = append(code, 0xbe, text, 0x7c, 0xba, 0xf8, 0x03, 0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8, 0xf4, 0xeb, 0xfd)
	copy(sector, code)
	copy(sector[text:], probeWord)
	sector[510], sector[511] = 0x55, 0xaa
	return sector
}

// probeKVM runs the probe guest.
func probeKVM(ctx context.Context, device string) (works bool, why string) {
	file, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return false, fmt.Sprintf("%s cannot be used: %v", device, err)
	}
	_ = file.Close() // nothing was written
	said, err := runProbe(ctx, "kvm", probeTime)
	switch {
	case bytes.Contains(said, []byte(probeWord)):
		return true, ""
	case err != nil:
		return false, fmt.Sprintf("a guest with KVM: %v", err)
	}
	return false, fmt.Sprintf("a tiny guest with KVM did not finish in %v", probeTime)
}

// runProbe returns what the probe guest wrote in time.
func runProbe(ctx context.Context, accelerator string, limit time.Duration) (said []byte, err error) {
	dir, err := os.MkdirTemp("", "labctl-kvm-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	sector, serial := filepath.Join(dir, "sector"), filepath.Join(dir, "serial")
	if err := os.WriteFile(sector, bootSector(), 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	command := exec.CommandContext(ctx, program, "-nodefaults", "-no-user-config", "-nographic", "-m", "16", "-machine", "pc",
		"-accel", accelerator, "-drive", "file="+sector+",format=raw,if=ide,readonly=off", "-serial", "file:"+serial)
	var complaint bytes.Buffer
	command.Stderr = &complaint
	if err := command.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if said, _ := os.ReadFile(serial); bytes.Contains(said, []byte(probeWord)) {
			cancel()
			<-ended //nolint:errcheck // it was killed
			return said, nil
		}
		select {
		case err := <-ended:
			if ctx.Err() != nil {
				return nil, nil
			}
			return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(complaint.Bytes()))
		case <-ticker.C:
		}
	}
}
