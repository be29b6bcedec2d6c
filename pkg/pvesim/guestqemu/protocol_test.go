package guestqemu

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/internal/recordings"
	"labctl/pkg/pvesim"
)

// serve plays the other end of a socket in a folder: it answers each line with what the script has for its command.
func serve(t *testing.T, name, greeting string, script map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go talk(conn, greeting, script)
		}
	}()
	return dir
}

func talk(conn net.Conn, greeting string, script map[string]string) {
	defer conn.Close()
	_, _ = conn.Write([]byte(greeting))
	for lines := bufio.NewReader(conn); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked struct {
			Execute   string          `json:"execute"`
			Arguments json.RawMessage `json:"arguments"`
		}
		if json.Unmarshal(bytes.TrimLeft(line, "\xff"), &asked) != nil {
			continue
		}
		if asked.Execute == "guest-sync-delimited" {
			var id struct {
				ID json.RawMessage `json:"id"`
			}
			_ = json.Unmarshal(asked.Arguments, &id)
			// What was asked by somebody else comes first.
			_, _ = conn.Write([]byte("{\"return\": {\"stale\": true}}\n\xff{\"return\": 4}\n\xff{\"return\": " + string(id.ID) + "}\n"))
			continue
		}
		if answer, ok := script[asked.Execute]; ok {
			_, _ = conn.Write([]byte(answer + "\n"))
		}
	}
}

const qmpGreeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}` + "\r\n"

func TestMonitor(t *testing.T) {
	dir := serve(t, qmpSocket, qmpGreeting, map[string]string{
		"qmp_capabilities":      `{"return": {}}`,
		"human-monitor-command": "{\"timestamp\": {}, \"event\": \"NIC_RX_FILTER_CHANGED\"}\n" + `{"return": "Hub -1 (net0):\r\n  TCP[HOST_FORWARD]  23       127.0.0.1 40159   192.168.7.201    22     0     0\r\n"}`,
		"quit":                  `{"error": {"class": "GenericError", "desc": "not now"}}`,
	})
	m := &machine{folder: dir}
	if err := m.findPort(t.Context()); err != nil {
		t.Fatal(err)
	}
	if address, ok := m.forwarded(); !ok || address != "127.0.0.1:40159" {
		t.Errorf("forwarded from %q", address)
	}
	monitor, err := openMonitor(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer monitor.close()
	if _, err := monitor.execute(t.Context(), "quit", nil); err == nil || !strings.Contains(err.Error(), "not now") {
		t.Errorf("a refusal: %v", err)
	}
	limited, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := monitor.execute(limited, "query-nothing", nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("without an answer: %v", err)
	}
	if _, err := openMonitor(t.Context(), t.TempDir()); !isGone(err) {
		t.Errorf("without QEMU: %v", err)
	}
}

func TestParseForward(t *testing.T) {
	for _, said := range []string{`"Hub -1 (net0):\r\n"`, `{}`, `"TCP[HOST_FORWARD] 23 0.0.0.0 1 10.0.0.1 22"`} {
		if port, err := parseForward(json.RawMessage(said)); err == nil {
			t.Errorf("%s: port %s", said, port)
		}
	}
}

func TestAgent(t *testing.T) {
	dir := serve(t, agentSocket, "", map[string]string{
		"guest-ping":                   `{"return": {}}`,
		"guest-get-osinfo":             `{"return": {"name": "Debian GNU/Linux", "id": "debian", "version-id": "13", "machine": "x86_64"}}`,
		"guest-file-open":              `{"return": 1000}`,
		"guest-file-read":              `{"return": {"count": 3, "buf-b64": "YWJj", "eof": true}}`,
		"guest-file-close":             `{"return": {}}`,
		"guest-exec-status":            `{"error": {"class": "GenericError", "desc": "Invalid parameter 'pid'"}}`,
		"guest-network-get-interfaces": `{"return": [{"name": "eth0", "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "10.0.2.15", "prefix": 24}], "hardware-address": "52:54:00:12:34:56"}]}`,
	})
	a := &agent{dir: dir}
	if !a.ping(t.Context(), time.Second) {
		t.Error("it does not answer a ping")
	}
	if content, err := a.ReadFile("/etc/hostname"); err != nil || string(content) != "abc" {
		t.Errorf("file: %q, %v", content, err)
	}
	if info := a.OSInfo(); info.ID != "debian" || info.VersionID != "13" {
		t.Errorf("%+v", info)
	}
	want := []pvesim.AgentInterface{{Name: "eth0", MAC: "52:54:00:12:34:56", Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.2.15/24")}}}
	if diff := cmp.Diff(want, a.Interfaces(), cmp.Comparer(func(x, y netip.Prefix) bool { return x == y })); diff != "" {
		t.Error(diff)
	}
	said := (*pvesim.AgentError)(nil)
	if _, err := a.Execute(t.Context(), "guest-exec-status", nil); !errors.As(err, &said) || said.Description != "Invalid parameter 'pid'" {
		t.Errorf("its own error: %v", err)
	}
	limited, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Execute(limited, "guest-shutdown", nil); err == nil {
		t.Error("no error without an answer")
	}
	if !a.ping(t.Context(), time.Second) {
		t.Error("it does not answer after a question without answer")
	}
}

func TestAgentFileMissing(t *testing.T) {
	dir := serve(t, agentSocket, "", map[string]string{
		"guest-file-open": `{"error": {"class": "GenericError", "desc": "failed to open file '/x' (mode: 'r'): No such file or directory"}}`,
	})
	if _, err := (&agent{dir: dir}).ReadFile("/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if (&agent{dir: t.TempDir()}).ping(t.Context(), time.Second) {
		t.Error("a ping without an agent")
	}
}

// The samples of a real agent are understood.
func TestAgentSamples(t *testing.T) {
	text, err := recordings.File("guest-agent/guest-network-get-interfaces.json")
	if err != nil {
		t.Fatal(err)
	}
	var answer response
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	interfaces, err := parseInterfaces(answer.Return)
	if err != nil || len(interfaces) != 2 || interfaces[1].Addresses[0] != netip.MustParsePrefix("10.0.2.15/24") {
		t.Errorf("%v, %v", interfaces, err)
	}
}

func FuzzParseInterfaces(f *testing.F) {
	f.Add([]byte(`[{"name": "eth0", "ip-addresses": [{"ip-address": "10.0.2.15", "prefix": 24}], "hardware-address": "52:54:00:12:34:56"}]`))
	f.Fuzz(func(t *testing.T, said []byte) {
		if list, err := parseInterfaces(said); err != nil && list != nil {
			t.Errorf("an error and %v", list)
		}
	})
}
