package pvesim

import (
	"fmt"
	"strings"
	"time"
)

// flock is one lock file of the node. Waiters are served in the order they came, which the kernel does not promise.
type flock struct {
	path    string
	writer  *worker
	readers map[*worker]bool
	queue   []*lockWait
}

// lockWait is a worker that waits for a lock.
type lockWait struct {
	lock   *flock
	worker *worker
	shared bool
}

func (c *Cluster) flock(path string) *flock {
	l, ok := c.flocks[path]
	if !ok {
		l = &flock{path: fileOf(path), readers: map[*worker]bool{}}
		c.flocks[path] = l
	}
	return l
}

// vmLockFile is the file lock around a VM's configuration.
func vmLockFile(vmid int) string { return fmt.Sprintf("/var/lock/qemu-server/lock-%d.conf", vmid) }

// storageLockFile is the file lock around each single allocation and removal on a local storage. Every node has its own.
func storageLockFile(s *storage) string {
	return s.node + "/var/lock/pve-manager/pve-storage-" + s.name
}

// fileOf is a lock file as its own node sees it.
func fileOf(path string) string { return path[max(strings.Index(path, "/"), 0):] }

// locked is a step that runs others while holding a file lock, and fails when it does not get it in time.
func locked(path string, timeout time.Duration, steps ...step) step {
	return lockedAs(path, false, timeout, steps)
}

// lockedShared is locked for those who only need that nobody changes anything.
func lockedShared(path string, timeout time.Duration, steps ...step) step {
	return lockedAs(path, true, timeout, steps)
}

func lockedAs(path string, shared bool, timeout time.Duration, steps []step) step {
	return func(w *worker) error {
		l := w.c.flock(path)
		if l.holds(w) {
			w.do(steps...) // lock_file is re-entrant within one process
			return nil
		}
		w.frames = append(w.frames, &frame{steps: steps, release: func() { l.release(w) }})
		late := w.c.lockFault(fileOf(path))
		if l.free(shared) && !late {
			l.take(w, shared)
			return nil
		}
		w.lockWait = &lockWait{lock: l, worker: w, shared: shared}
		if !late {
			l.queue = append(l.queue, w.lockWait)
		}
		w.waits = true
		w.logf("trying to acquire lock...")
		w.c.schedule(w, w.c.clock.Add(timeout))
		return nil
	}
}

// inherited is locked for a worker that another one starts while it holds the lock: the lock goes over to it.
func inherited(path string, from *worker, steps ...step) step {
	return func(w *worker) error {
		l := w.c.flock(path)
		if l.writer == from {
			l.writer = w
		}
		w.frames = append(w.frames, &frame{steps: steps, release: func() { l.release(w) }})
		return nil
	}
}

func (l *flock) holds(w *worker) bool { return l.writer == w || l.readers[w] }

func (l *flock) free(shared bool) bool {
	return l.writer == nil && (shared || len(l.readers) == 0)
}

func (l *flock) take(w *worker, shared bool) {
	if shared {
		l.readers[w] = true
		return
	}
	l.writer = w
}

// release gives the lock up (if the worker had it) and lets in whoever can get in now.
func (l *flock) release(w *worker) {
	if l.writer == w {
		l.writer = nil
	}
	delete(l.readers, w)
	for len(l.queue) > 0 && l.free(l.queue[0].shared) {
		first := l.queue[0]
		l.queue = l.queue[1:]
		l.take(first.worker, first.shared)
		first.worker.granted()
	}
}

// forget removes a worker that no longer waits.
func (l *flock) forget(w *worker) {
	for i, wait := range l.queue {
		if wait.worker == w {
			l.queue = append(l.queue[:i:i], l.queue[i+1:]...)
			return
		}
	}
}
