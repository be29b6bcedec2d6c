package pvesim

import (
	"context"
	"strconv"
	"strings"
)

// call is one API request on its way through a handler. The cluster is locked while a handler runs.
type call struct {
	*Cluster
	ctx    context.Context
	who    identity
	params params
	upload *upload
	method *method // nil for the directory of the API, which the schema does not have
	daemon *daemonFault
	// noWorker is the fault that pvedaemon does not learn its worker's UPID.
	noWorker bool
}

// upload is the file part of a multipart request.
type upload struct {
	name string
	size int64
	sums map[string]string // by algorithm
	// small is the content, unless the file is larger than maxKept.
	small []byte
}

// params are the parameters of a request: those of the path, the query and the body in one.
type params map[string][]string

func (p params) has(name string) bool { return len(p[name]) > 0 }

// text returns a parameter's value; repeated ones are joined by NUL, as Proxmox does.
func (p params) text(name string) string { return strings.Join(p[name], "\x00") }

func (p params) flag(name string) bool { return p.text(name) == "1" }

func (p params) number(name string, otherwise int) int {
	n, err := strconv.Atoi(p.text(name))
	if err != nil {
		return otherwise
	}
	return n
}

// list splits a parameter that takes several values.
func (p params) list(name string) []string { return splitList(p.text(name)) }

// splitList splits as Proxmox does: at commas, semicolons, blanks and NULs.
func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return r == ',' || r == ';' || r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == 0
	})
}

// vmid is the VM of the path.
func (k *call) vmid() int { return k.params.number("vmid", 0) }

// node is the node of the path.
func (k *call) node() string { return k.params.text("node") }

// fork starts a task of the caller and returns its UPID.
func (k *call) fork(kind, id string, steps ...step) (any, error) {
	t, err := k.forkTask(kind, id, steps...)
	if err != nil {
		return nil, err
	}
	return t.upid, nil
}

// forkTask is fork for those who need the task itself.
func (k *call) forkTask(kind, id string, steps ...step) (*task, error) {
	if k.noWorker {
		return nil, k.loseWorker(kind, id)
	}
	return k.Cluster.fork(k.node(), kind, id, k.who, steps...), nil
}

// loseWorker is a fork of which pvedaemon's parent reads no UPID: SIGCHLD of another worker cut its read short
// (PVE/RESTEnvironment.pm, fork_worker). What the handler wrote before it stays: a create has written and locked the VM's
// configuration (API2/Qemu.pm, create_vm), and its task is listed although nothing is known of it; a clone writes in its
// worker, so that nothing is left (pve-api findings 5 and 7 of the second recording).
func (k *call) loseWorker(kind, id string) error {
	if kind == "qmcreate" {
		t := k.newTask(k.node(), kind, id, k.who)
		t.lost, t.ended, t.status = true, t.started, errNoTaskFile
		k.tasks = append(k.tasks, t)
	}
	return failure("got no worker upid - start worker failed")
}

// errNoTaskFile is the status of a listed task whose log does not exist.
const errNoTaskFile = "unable to open file - No such file or directory"

// perform runs the steps of a synchronous call. When they take longer than pveproxy waits the answer is 596, and they
// go on.
func (k *call) perform(steps ...step) error {
	w := k.begin(nil, steps...)
	limit := k.timings.ProxyTimeout
	if k.killedDuring() {
		limit = min(limit, k.daemon.after)
	}
	inTime, err := k.await(k.ctx, limit, func() bool { return w.ended })
	if err != nil {
		return err
	}
	if !inTime && k.killedDuring() {
		w.kill()
		return cutOff()
	}
	if !inTime {
		return &apiError{status: 596, message: "Connection timed out", bare: true}
	}
	return w.err
}
