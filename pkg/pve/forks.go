package pve

import (
	"path"
	"strings"
)

// forkRow says what one call has done by the time when PVE forks the worker that does the rest.
type forkRow struct {
	method, path string // path.Match's pattern
	// writes is what PVE wrote before the fork, and keeps when the worker does not start; "" for nothing.
	writes string
	// source is the line of the fork in PVE 8.4 and in 9.2.
	source string
}

// forks has every call that starts a worker. When the worker does not start, PVE answers 500, and the worker's function never
// ran: the parent does not send the "OK" that the child waits for (PVE::RESTEnvironment, fork_worker). So only what PVE wrote before
// the fork is left.
//
// Creating a VM writes "lock: create" as the VM's configuration and takes the VMID by that (create_and_lock_config, API2/Qemu.pm 8.4:
// 1313, 9.2: 1374). Nothing removes it: the clean-up is in the worker.
var forks = []forkRow{
	{"POST", "/nodes/*/qemu", "the VM's configuration, with lock: create", "API2/Qemu.pm 8.4: 1539, 9.2: 1626"},
	{"POST", "/nodes/*/qemu/*/clone", "", "API2/Qemu.pm 8.4: 4621, 9.2: 4749"},
	{"POST", "/nodes/*/qemu/*/config", "", "API2/Qemu.pm 8.4: 2498, 9.2: 2599"},
	{"PUT", "/nodes/*/qemu/*/resize", "", "API2/Qemu.pm 8.4: 5830, 9.2: 6072"},
	{"POST", "/nodes/*/qemu/*/template", "", "API2/Qemu.pm 8.4: 6329, 9.2: 6589"},
	{"POST", "/nodes/*/qemu/*/status/start", "", "API2/Qemu.pm 8.4: 3562, 9.2: 3676"},
	{"POST", "/nodes/*/qemu/*/status/stop", "", "API2/Qemu.pm 8.4: 3684, 9.2: 3798"},
	{"DELETE", "/nodes/*/qemu/*", "", "API2/Qemu.pm 8.4: 2788, 9.2: 2893"},
	// The uploaded file lies in /var/tmp, where the API shows nothing.
	{"POST", "/nodes/*/storage/*/upload", "", "API2/Storage/Status.pm 8.4: 643, 9.2: 733"},
	{"POST", "/nodes/*/storage/*/download-url", "", "API2/Storage/Status.pm 8.4: 821, 9.2: 911"},
	{"DELETE", "/nodes/*/storage/*/content/*", "", "API2/Storage/Content.pm 8.4: 508, 9.2: 522"},
}

// forkTexts are the answers when a worker does not start (PVE::RESTEnvironment, fork_worker).
var forkTexts = []string{"start worker failed", "starting worker failed: ", "unable to fork worker - "}

// workerNotStarted says whether the text is that of a call whose worker did not start.
func workerNotStarted(text string) bool {
	for _, part := range forkTexts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// notStarted says what a call left whose worker did not start. A call that the table does not have may have left anything.
func notStarted(method, callPath string) error {
	for _, row := range forks {
		if matched, err := path.Match(row.path, callPath); !matched || err != nil || row.method != method {
			continue
		}
		if row.writes != "" {
			return ErrHalfCreated
		}
		return ErrTransient
	}
	return ErrOutcomeUnknown
}
