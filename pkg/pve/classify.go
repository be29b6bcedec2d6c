package pve

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// textRule says that a text containing part means kind.
type textRule struct {
	part string
	kind error
}

// textRules is all that labctl knows of PVE's error texts. The first match
// wins, so a special text stands before a general one. PVE adds prefixes
// ("clone failed: ") and Perl's "at … line 12", hence parts and not whole texts.
var textRules = []textRule{
	// Locks: three different ones with one wording.
	{"VM is locked (", ErrConfigLocked},
	{"can't lock file '/var/lock/qemu-server/", ErrFileLocked},
	{"can't lock file '/var/lock/pve-manager/pve-storage-", ErrStorageLocked},
	{"cfs-lock 'storage-", ErrStorageLocked},
	{"'-locked command timed out", ErrStorageBusy},
	{"got lock request timeout", ErrLocked},
	{"can't lock file '", ErrLocked},

	// Volumes and storages; before the VMID texts, which also say "already exists".
	{"dataset already exists", ErrLeftover},
	{": File exists", ErrLeftover},
	{"out of space", ErrNoSpace},
	{"No space left on device", ErrNoSpace},
	{"dataset is busy", ErrStorageBusy},
	{"no zvol device link for", ErrStorageBusy},
	{"failed: got timeout", ErrStorageBusy}, // command 'zfs create …' failed: got timeout
	{"is still in use by linked clone", ErrInUse},
	{"checksum mismatch: got '", ErrChecksum},
	{"refusing to override existing file", ErrExists},
	{"download failed: ", ErrDownload},

	// VMIDs. These texts only: a pool or a dataset "already exists" too.
	{"config file already exists", ErrVMIDTaken},
	{"already exists on node '", ErrVMIDTaken},
	{"already exists", ErrExists},
	{"already defined", ErrExists},
	{"already a pool member", ErrExists},

	// VM states.
	{"already running", ErrVMRunning},
	{"is running - destroy failed", ErrVMRunning},
	{"not running", ErrVMNotRunning},
	{"protection mode enabled", ErrProtected},
	{"used in HA resources", ErrInUse},
	{"is not empty (contains", ErrInUse},
	{"checksum mismatch (file change by other user?)", ErrChanged},

	// Things that are not there.
	{"Configuration file 'nodes/", ErrVMNotFound},
	{"unable to find configuration file for VM", ErrVMNotFound},
	{"no such task", ErrNotFound},
	{"no such cluster node", ErrNotFound},
	{"hostname lookup '", ErrNotFound},
	{"does not exist", ErrNotFound},

	// Rights.
	{" for modifying tag ", ErrTagRestricted},
	{"only root can ", ErrRootOnly},
	{"Only root ", ErrRootOnly},

	// Moments.
	{"no quorum", ErrTransient},
	// Ends of tasks (PVE::Tools::upid_read_status on 8, PVE::UPID::read_status on 9): the worker wrote no last word, or was told to stop.
	{"unexpected status", ErrWorkerKilled},
	{"received interrupt", ErrInterrupted},    // outside PVE's own clean-up (PVE::RESTEnvironment, fork_worker)
	{"interrupted by signal", ErrInterrupted}, // within it: a clone then removes what it made (API2/Qemu.pm, clone_vm)
	{"unable to read tail", ErrWorkerKilled},  // 8: an empty log
	{"unable to extract last line", ErrWorkerKilled},
	{"unable to get last line from task log", ErrWorkerKilled}, // 9
	{"unable to open file - ", ErrWorkerKilled},                // no log at all: the worker did not start
	{"invalid urlencoded string", ErrInvalid},
	{"SSH public key validation error", ErrInvalid},
	{"shrinking disks is not supported", ErrInvalid},
	{"Linked clone feature is not supported", ErrInvalid},
	{"not allowed for linked clones", ErrInvalid},
	{"no options specified", ErrInvalid},
}

// agentRules are the texts of calls to the guest agent; they go before textRules.
var agentRules = []textRule{
	{"No QEMU guest agent configured", ErrAgentNotConfigured},
	{"QEMU guest agent is not running", ErrAgentNotAnswering},
	{" qmp command 'guest-", ErrAgentNotAnswering}, // 8: VM 115 qmp command 'guest-ping' failed - got timeout
	{" qga command 'guest-", ErrAgentNotAnswering}, // 9
	{"(mode: 'r'): No such file or directory", fs.ErrNotExist},
}

var (
	vmExistsPattern   = regexp.MustCompile(`^VM \d+ already exists$`)
	permissionPattern = regexp.MustCompile(`Permission check failed(?: \(([^,()]*), ([A-Za-z0-9.|]+)[^()]*\))?`)
)

// classify says what an answer with an error status means for the caller.
// A change that lost its answer on the way through PVE's proxies is one whose
// outcome is unknown, whatever the text says.
func classify(c call, status int, text string, fields map[string]string) []error {
	if kinds := classifyStatus(status, c.readOnly); kinds != nil {
		return kinds
	}
	if workerNotStarted(text) && !c.readOnly {
		return []error{notStarted(c.method, c.path)}
	}
	all := text
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := strings.TrimSpace(fields[name])
		if vmExistsPattern.MatchString(value) {
			return []error{ErrVMIDTaken}
		}
		all += "\n" + value
	}
	kinds := classifyText(all)
	if status == 400 && len(kinds) == 0 {
		return []error{ErrInvalid}
	}
	return kinds
}

// classifyStatus knows the statuses that mean something by themselves. 595 to
// 599 are those of AnyEvent::HTTP, with which pveproxy asks the daemon that does the work, or another node: 595 when it could not
// connect, so that nothing was sent (and a change does not go over an old connection: PVE::APIServer::AnyEvent, proxy_request); 596
// when the connection broke later, before or in the middle of the work.
func classifyStatus(status int, readOnly bool) []error {
	switch status {
	case 401:
		return []error{ErrAuth}
	case 501:
		return []error{ErrUnsupported}
	case 429, 595:
		return []error{ErrTransient}
	case 502, 503, 504, 596, 597, 598, 599:
		if readOnly {
			return []error{ErrTransient}
		}
		return []error{ErrOutcomeUnknown}
	}
	return nil
}

// classifyText says what PVE's text means, in an answer or as the end of a
// task. Nothing known yields nothing: the error is then a plain failure.
func classifyText(text string) []error {
	var kinds []error
	if p := permissionOf(text); p != nil {
		kinds = append(kinds, p)
	}
	for _, rules := range [][]textRule{agentRules, textRules} {
		for _, rule := range rules {
			if strings.Contains(text, rule.part) {
				return append(kinds, rule.kind)
			}
		}
	}
	return kinds
}

// permissionOf finds the path and privilege of a refused call. The text comes
// with status 403, or inside a 500 when a worker did the check.
func permissionOf(text string) *PermissionError {
	m := permissionPattern.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	return &PermissionError{Path: m[1], Privilege: m[2], Detail: strings.TrimSpace(text)}
}
