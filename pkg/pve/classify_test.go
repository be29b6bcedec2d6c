package pve

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/internal/recordings"
)

// sentinels are all kinds by name, for showing.
var sentinels = map[string]error{
	"NotFound": ErrNotFound, "VMNotFound": ErrVMNotFound, "Exists": ErrExists, "VMIDTaken": ErrVMIDTaken, "Leftover": ErrLeftover,
	"Locked": ErrLocked, "ConfigLocked": ErrConfigLocked, "FileLocked": ErrFileLocked, "StorageLocked": ErrStorageLocked,
	"AgentDown": ErrAgentDown, "AgentNotConfigured": ErrAgentNotConfigured, "AgentNotAnswering": ErrAgentNotAnswering,
	"VMNotRunning": ErrVMNotRunning, "VMRunning": ErrVMRunning,
	"Auth": ErrAuth, "Permission": ErrPermission, "RootOnly": ErrRootOnly,
	"Invalid": ErrInvalid, "Unsupported": ErrUnsupported, "Changed": ErrChanged, "Protected": ErrProtected, "InUse": ErrInUse,
	"NoSpace": ErrNoSpace, "StorageBusy": ErrStorageBusy, "Transient": ErrTransient, "OutcomeUnknown": ErrOutcomeUnknown,
	"HalfCreated": ErrHalfCreated, "WorkerKilled": ErrWorkerKilled, "Interrupted": ErrInterrupted,
	"fs.NotExist": fs.ErrNotExist,
}

// kindsOf names all kinds that errors.Is finds in err, sorted.
func kindsOf(err error) string {
	var names []string
	for name, kind := range sentinels {
		if errors.Is(err, kind) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestErrorAnswers shows what recorded error answers become.
func TestErrorAnswers(t *testing.T) {
	var exchanges []recordings.Exchange
	readJSON(t, "errors.json", &exchanges)
	var b strings.Builder
	for _, e := range exchanges {
		c := call{method: e.Request.Method, path: e.Request.Path, readOnly: e.Request.Method == "GET"}
		err := answerError(c, answer{status: *e.Response.Status, reason: e.Response.Reason, body: body(e)}, "lp@pve!run")
		fmt.Fprintf(&b, "%s\n  %v\n  kinds: %s\n", e.Name, err, kindsOf(err))
		var p *PermissionError
		if errors.As(err, &p) {
			fmt.Fprintf(&b, "  %v\n", p)
		}
	}
	golden(t, "errors.golden", b.String())
}

// TestFailureTexts has PVE's texts that nobody recorded but its sources or its
// users' reports have, by their number in docs/failure-modes.md.
func TestFailureTexts(t *testing.T) {
	tests := []struct {
		name string
		text string
		want string
	}{
		{"01 VM file lock", "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout", "FileLocked Locked"},
		{"02 storage lock", "clone failed: can't lock file '/var/lock/pve-manager/pve-storage-data-zfs' - got timeout", "Locked StorageLocked"},
		{"03 cluster storage lock", "cfs-lock 'storage-x' error: got lock request timeout", "Locked StorageLocked"},
		{"04 under cluster lock too long", "'storage-x'-locked command timed out - aborting", "StorageBusy"},
		{"05 pool lock", "can't add VM 101 to pool 'lab': cfs-lock 'file-user_cfg' error: got lock request timeout", "Locked"},
		{"06 config lock", "VM is locked (clone)", "ConfigLocked Locked"},
		{"08 digest", "checksum mismatch (file change by other user?)", "Changed"},
		{"11 clone to taken VMID", "unable to create VM 107: config file already exists", "Exists VMIDTaken"},
		{"12 create with taken VMID", "unable to create VM 106 - VM 106 already exists on node 'pve'", "Exists VMIDTaken"},
		{"13 leftover zvol", "clone failed: zfs error: cannot create 'rpool/data/vm-101-cloudinit': dataset already exists", "Leftover"},
		{"13 leftover rbd", "rbd create 'vm-101-cloudinit' error: rbd: create error: (17) File exists: File exists", "Leftover"},
		{"14 clone to other node", "can't clone to non-shared storage 'local-zfs'", ""},
		{"15 storage with linked clone", "parameter 'storage' not allowed for linked clones", "Invalid"},
		{"16 linked clone of no template", "Linked clone feature is not supported for 'zfs:vm-9000-disk-0' (scsi0)", "Invalid"},
		{"17 template in use", "base volume 'zfs:base-9000-disk-0' is still in use by linked cloned", "InUse"},
		{"19 aborted", "clone failed: can't lock file '/var/lock/pve-manager/pve-storage-zfs' - interrupted by signal", "Locked StorageLocked"},
		{"19 aborted while it copied", "clone failed: copy failed: command '/usr/bin/qemu-img convert' failed: interrupted by signal", "Interrupted"},
		{"19 stopped in its clean-up", "received interrupt", "Interrupted"},
		{"23 worker killed", "unexpected status", "OutcomeUnknown WorkerKilled"},
		{"24 empty log", "unable to read tail (got 0 bytes)", "OutcomeUnknown WorkerKilled"},
		{"24 no last line", "unable to get last line from task log - file is empty", "OutcomeUnknown WorkerKilled"},
		{"25 no log", "unable to open file - No such file or directory", "OutcomeUnknown WorkerKilled"},
		{"33 no quorum", "cluster not ready - no quorum?", "Transient"},
		{"43 args", "only root can set 'args' config", "Permission RootOnly"},
		{"45 path", "Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 581.", "Permission RootOnly"},
		{"48 tag", "403 Permission check failed (/, Sys.Modify for modifying tag 'x')", "Permission"},
		{"50 zvol busy", "zfs error: cannot destroy 'rpool/lab/vm-101-disk-1': dataset is busy", "StorageBusy"},
		{"51 no device link", "timeout: no zvol device link for 'vm-103-disk-1' found after 300 sec.", "StorageBusy"},
		{"52 zfs too slow", "command 'zfs create -s -V 1048576k tank/vm-1-disk-1' failed: got timeout", "StorageBusy"},
		{"53 full", "zfs error: cannot create 'tiny/vm-1-disk-1': out of space", "NoSpace"},
		{"54 shrinking", "shrinking disks is not supported", "Invalid"},
		{"57 agent not up", "QEMU guest agent is not running", "AgentDown AgentNotAnswering"},
		{"58 ping 8", "VM 115 qmp command 'guest-ping' failed - got timeout", "AgentDown AgentNotAnswering"},
		{"58 ping 9", "VM 115 qga command 'guest-ping' failed - got timeout", "AgentDown AgentNotAnswering"},
		{"59 no agent option", "No QEMU guest agent configured", "AgentDown AgentNotConfigured"},
		{"59 VM off", "VM 101 is not running", "AgentDown VMNotRunning"},
		{"62 started twice", "VM 110 already running", "VMRunning"},
		{"65 plain sshkeys", "invalid format - invalid urlencoded string: ssh-rsa+AAAA", "Invalid"},
		{"66 bad key", "SSH public key validation error", "Invalid"},
		{"71 no memory", "start failed: QEMU exited with code 1", ""},
		{"72 destroy running", "VM 9302 is running - destroy failed", "VMRunning"},
		{"74 HA", "unable to remove VM 101 - used in HA resources and purge parameter not set.", "InUse"},
		{"75 protection", "can't remove VM 101 - protection mode enabled", "Protected"},
		{"76 VM not on node", "Configuration file 'nodes/pve/qemu-server/101.conf' does not exist", "NotFound VMNotFound"},
		{"78 pool in use", "delete pool failed: pool 'lab' is not empty (contains VM 180)", "InUse"},
		{"78 pool member", "VM 435 is already a pool member", "Exists"},
		{"nothing known", "the moon is full", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			task := &TaskError{ExitStatus: tt.text, kinds: classifyText(tt.text)}
			if got := kindsOf(task); got != tt.want {
				t.Errorf("as the end of a task %q is %q, want %q", tt.text, got, tt.want)
			}
			answered := answerError(call{method: "POST", path: "/x"}, answer{status: 500, reason: tt.text}, "lp@pve!run")
			if got := kindsOf(answered); got != tt.want {
				t.Errorf("as an answer %q is %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

func TestProxyStatuses(t *testing.T) {
	for _, status := range []int{502, 503, 504, 595, 596, 597, 598, 599} {
		for readOnly, want := range map[bool]string{true: "Transient", false: "OutcomeUnknown"} {
			if status == 595 {
				want = "Transient" // no connection was made
			}
			err := answerError(call{readOnly: readOnly}, answer{status: status, reason: "Connection timed out"}, "")
			if got := kindsOf(err); got != want {
				t.Errorf("%d, readOnly %v: %q, want %q", status, readOnly, got, want)
			}
		}
	}
}

// TestReasonAndMessage: the cause may be in the status line only, in the body only, or in both.
func TestReasonAndMessage(t *testing.T) {
	const text = "VM 100 is running - destroy failed"
	for name, a := range map[string]answer{
		"status line only (PVE before 8.4)":  {status: 500, reason: text},
		"body only (behind an HTTP/2 proxy)": {status: 500, body: []byte(`{"message":"` + text + `\n","data":null}`)},
		"both":                               {status: 500, reason: text, body: []byte(`{"message":"` + text + `\n","data":null}`)},
		"a page instead of JSON":             {status: 500, reason: text, body: []byte("<html>")},
	} {
		err := answerError(call{method: "DELETE", path: "/x"}, a, "")
		if !errors.Is(err, ErrVMRunning) || !strings.HasSuffix(err.Error(), text) {
			t.Errorf("%s: %v: %q", name, err, kindsOf(err))
		}
	}
	// A page not found is no VM not found: it means that this is no PVE.
	if err := answerError(call{}, answer{status: 404, reason: "Not Found"}, ""); kindsOf(err) != "" {
		t.Errorf("404 is %q", kindsOf(err))
	}
}

func TestPermissionError(t *testing.T) {
	err := answerError(call{method: "POST", path: "/x"},
		answer{status: 403, reason: "Permission check failed (/vms/9000, VM.Clone)"}, "lp@pve!run")
	var p *PermissionError
	if !errors.As(err, &p) {
		t.Fatalf("%v is no PermissionError", err)
	}
	want := &PermissionError{Path: "/vms/9000", Privilege: "VM.Clone", TokenID: "lp@pve!run", Detail: "Permission check failed (/vms/9000, VM.Clone)"}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	for _, part := range []string{"pveum acl modify /vms/9000 --tokens 'lp@pve!run'", "pveum acl modify /vms/9000 --users lp@pve ", "VM.Clone"} {
		if !strings.Contains(p.Remedy(), part) {
			t.Errorf("remedy lacks %q: %s", part, p.Remedy())
		}
	}
	bare := answerError(call{}, answer{status: 403, reason: "nope"}, "lp@pve!run")
	if !errors.As(bare, &p) || p.Detail != "nope" || !strings.Contains(p.Remedy(), "permissions") {
		t.Errorf("a 403 in other words: %v, %s", bare, p.Remedy())
	}
}

func FuzzErrorAnswer(f *testing.F) {
	f.Add(500, "VM is locked (clone)", []byte(`{"message":"x","errors":{"a":1}}`))
	f.Add(403, "Permission check failed (, Pool.Allocate)", []byte(`{"errors":[]}`))
	f.Add(596, "", []byte(nil))
	f.Add(400, "Parameter verification failed.", []byte(`{"errors":{"vmid":"VM 218 already exists"}}`))
	f.Fuzz(func(t *testing.T, status int, reason string, body []byte) {
		err := answerError(call{method: "POST", path: "/x"}, answer{status: status, reason: reason, body: body}, "lp@pve!run")
		if err.Error() == "" {
			t.Error("no text")
		}
		if status == 403 && !errors.Is(err, ErrPermission) {
			t.Errorf("403 is %q", kindsOf(err))
		}
	})
}
