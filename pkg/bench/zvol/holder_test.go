package zvol

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"labctl/pkg/remote"
)

// programs stand for those of a PVE host.
var programs = map[string]string{
	"udevadm": "exit 0",
	"zfs": `case $1 in
get) printf 'type\tvolume\nguid\t42\nvolsize\t1048576\norigin\t-\n' ;;
list) printf '%s@auto\t-\n%s@base\trpool/clone\n' "$9" "$9" ;;
esac`,
	"zpool":  "echo 81",
	"wipefs": `echo '{"signatures": []}'`,
}

const ours = "labctl-token-11111111111111111111111111111111"

// holding begins to hold a file that stands for the device, with a token in it.
func holding(t *testing.T, argv ...string) (*holder, string) {
	t.Helper()
	host := localHost{home: t.TempDir(), bin: t.TempDir()}
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(host.bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	device := filepath.Join(host.home, "device")
	content := make([]byte, 1<<20)
	copy(content, "somebody's data")
	copy(content[8192:], ours+"\n")
	if err := os.WriteFile(device, content, 0o600); err != nil {
		t.Fatal(err)
	}
	h := hold(t.Context(), host, Wanted{Device: device, VMID: 101, Token: Token{Text: ours, OffsetBytes: 8192}}, remote.Detached{ID: "t", Argv: argv})
	t.Cleanup(func() { <-h.ended })
	return h, device
}

func firstLook(t *testing.T, h *holder) Look {
	t.Helper()
	look, err := h.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return look
}

// The script and the parser agree; nothing is written while nobody has said so.
func TestHoldLooks(t *testing.T) {
	h, device := holding(t)
	before, err := os.ReadFile(device)
	if err != nil {
		t.Fatal(err)
	}
	look := firstLook(t, h)
	for key, want := range map[string]string{
		"uid": fmt.Sprint(os.Getuid()), "exclusive": "yes", "kind": "file", "size": "1048576", "token": ours,
	} {
		if got := look.one(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if found, err := look.signatures(); err != nil || len(found) != 0 {
		t.Errorf("signatures %v, %v", found, err)
	}
	if err := h.say(t.Context(), "look"); err != nil {
		t.Fatal(err)
	}
	firstLook(t, h)
	if err := h.say(t.Context(), "end"); err != nil {
		t.Fatal(err)
	}
	if result, err := h.wait(); err != nil || result.ExitCode != 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if after, err := os.ReadFile(device); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the device was changed: %v", err)
	}
}

// A trial gets the device as a descriptor, runs as it is, and leaves the next token.
func TestHoldTrial(t *testing.T) {
	h, device := holding(t, "sh", "-c", "echo fio says; echo and warns >&2; printf written | dd of="+FioDevice+" bs=1 seek=100000 conv=notrunc status=none; exit 3")
	firstLook(t, h)
	next := newToken()
	if err := h.say(t.Context(), "trial "+next); err != nil {
		t.Fatal(err)
	}
	result, err := h.wait()
	if err != nil || result.ExitCode != 3 || string(result.Stdout) != "fio says\n" {
		t.Fatalf("%+v, %v", result, err)
	}
	after, stderr, err := cutReport(result.Stderr)
	if err != nil || string(stderr) != "and warns\n" {
		t.Fatalf("stderr %q, %v", stderr, err)
	}
	if began, ended := after.times(); began.IsZero() || !ended.After(began) {
		t.Errorf("from %s to %s", began, ended)
	}
	content, err := os.ReadFile(device)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(content, make([]byte, 8192)) {
		t.Error("the signature of an earlier file system would be there")
	}
	if !bytes.HasPrefix(content[8192:], []byte(next+"\n")) || !bytes.HasPrefix(content[100000:], []byte("written")) {
		t.Error("the token, or what was written, is not there")
	}
}

// A device that others hold is looked at, and no verdict makes it written to.
func TestHoldWithoutDevice(t *testing.T) {
	h, device := holding(t)
	firstLook(t, h)
	if err := h.say(t.Context(), "end"); err != nil {
		t.Fatal(err)
	}
	<-h.ended
	if err := os.Remove(device); err != nil {
		t.Fatal(err)
	}
	host, _ := h.host.(localHost)
	again := hold(t.Context(), host, Wanted{Device: device}, remote.Detached{ID: "u", Argv: []string{"touch", device}})
	look := firstLook(t, again)
	if look.one("kind") != "" || look.one("exclusive") != "no" || look.one("open_error") == "" {
		t.Errorf("look %v", look.facts)
	}
	if err := again.say(t.Context(), "trial "+ours); err != nil {
		t.Fatal(err)
	}
	if result, err := again.wait(); err != nil || result.ExitCode == 0 || !strings.Contains(string(result.Stderr), "the device is not held") {
		t.Errorf("%+v, %v", result, err)
	}
	if _, err := os.Stat(device); err == nil {
		t.Error("it was written to")
	}
}

// A host on which the script cannot run says so at once.
func TestHoldFails(t *testing.T) {
	host := localHost{home: t.TempDir(), bin: t.TempDir()}
	if err := os.WriteFile(filepath.Join(host.bin, "perl"), []byte("#!/bin/sh\necho no luck >&2; exit 2\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	h := hold(t.Context(), host, Wanted{}, remote.Detached{ID: "t"})
	if _, err := h.look(t.Context()); err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("error %v", err)
	}
}
