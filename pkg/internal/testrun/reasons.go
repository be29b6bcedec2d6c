package main

import (
	"os/exec"
	"strings"
)

// reason is what a skipped test may say.
type reason struct {
	text    string // begins what the test says
	because string // why that is all right
}

// reasons are all that are accepted, and missingProgram. No test is skipped for want of data: it is in testdata.
var reasons = []reason{
	{"LABCTL_CONTRACT_URL names no real server", "the contract is tested on a Proxmox VE of one's own"},
	{"takes minutes: run it with -kill", "make kill runs it"},
	{"takes as long as the deadline: run it with -kill", "make kill runs it"},
	{"talks to sockets for some seconds", "go test -short was asked for"},
	{"the sandbox's virtual machines need ", "QEMU is not installed"},
	{"no pseudo terminals here", "the container has no /dev/ptmx"},
	{"locking fio up in a directory needs root", "hostile jobs are run with the real fio in a root directory of their own"},
	{"no mount namespaces here", "a container without the right to mount, or no root"},
	{"a disk of its own cannot be mounted here", "a container without the right to mount, or no root"},
}

// missingProgram ends what a test says that needs a program: "fio is not installed". It is accepted if that is so.
const missingProgram = " is not installed"

// isAccepted reports whether a test may be skipped for a reason, on a machine that has these programs.
func isAccepted(said string, has func(program string) bool) bool {
	if program, ok := strings.CutSuffix(said, missingProgram); ok {
		return !has(program)
	}
	for _, r := range reasons {
		if strings.HasPrefix(said, r.text) {
			return true
		}
	}
	return false
}

func isInstalled(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}
