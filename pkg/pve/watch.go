package pve

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// news is what a poll found out for one waiter.
type news struct {
	status TaskStatus
	err    error
}

// waiter is one call of Wait.
type waiter struct {
	upid  UPID
	since time.Time
	polls int
	news  chan news // holds the latest only
}

func (w *waiter) tell(n news) {
	select {
	case <-w.news:
	default:
	}
	w.news <- n
}

// taskWatch has one watcher per node with waiters, which polls for all of them.
type taskWatch struct {
	client *Client
	delay  func(poll int) time.Duration

	mu    sync.Mutex
	nodes map[string]*nodeWatch
}

func newTaskWatch(c *Client, delay func(int) time.Duration) *taskWatch {
	return &taskWatch{client: c, delay: delay, nodes: map[string]*nodeWatch{}}
}

// nodeWatch is the state of one node's watcher; taskWatch.mu guards it.
type nodeWatch struct {
	waiters map[*waiter]bool
	joined  chan struct{} // tells the watcher of a new waiter, who wants to be polled for sooner
	stop    context.CancelFunc
}

// join registers a waiter and starts the node's watcher with its first. The
// watcher outlives the context of any one waiter and ends with the last.
func (t *taskWatch) join(ctx context.Context, upid UPID) *waiter {
	w := &waiter{upid: upid, since: time.Now(), news: make(chan news, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[upid.Node]
	if n == nil {
		watchCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		n = &nodeWatch{waiters: map[*waiter]bool{}, joined: make(chan struct{}, 1), stop: stop}
		t.nodes[upid.Node] = n
		go t.watch(watchCtx, upid.Node, n)
	}
	n.waiters[w] = true
	select {
	case n.joined <- struct{}{}:
	default:
	}
	return w
}

func (t *taskWatch) leave(w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[w.upid.Node]
	delete(n.waiters, w)
	if len(n.waiters) == 0 {
		n.stop()
		delete(t.nodes, w.upid.Node)
	}
}

// watch polls a node until its last waiter has left. The pause is that of the
// waiter with the fewest polls, so that a new one finds its task's end soon.
func (t *taskWatch) watch(ctx context.Context, node string, n *nodeWatch) {
	next := time.Time{}
	for {
		if pause := time.Now().Add(t.pause(n)); next.IsZero() || pause.Before(next) {
			next = pause
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-n.joined:
			timer.Stop()
			continue
		case <-timer.C:
		}
		next = time.Time{}
		t.poll(ctx, node, t.due(n))
	}
}

func (t *taskWatch) pause(n *nodeWatch) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	fewest := -1
	for w := range n.waiters {
		if fewest < 0 || w.polls < fewest {
			fewest = w.polls
		}
	}
	return t.delay(max(fewest, 0))
}

// due returns the waiters to poll for and counts the poll.
func (t *taskWatch) due(n *nodeWatch) []*waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	due := make([]*waiter, 0, len(n.waiters))
	for w := range n.waiters {
		w.polls++
		due = append(due, w)
	}
	return due
}

// poll asks once: for one waiter its task, for several the node's list. A task
// that the list lacks (it is limited, and moves from one file to another) is
// asked for by itself.
func (t *taskWatch) poll(ctx context.Context, node string, due []*waiter) {
	listed, err := t.list(ctx, node, due)
	for _, w := range due {
		status, ok := listed[w.upid.text]
		taskErr := err
		if !ok && err == nil {
			status, taskErr = t.client.TaskStatus(ctx, w.upid)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(taskErr, ErrNotFound) && time.Since(w.since) < registerTime:
		default:
			w.tell(news{status: status, err: taskErr})
		}
	}
}

// list returns the tasks of a node since the oldest one waited for, by UPID. An
// error is one of the server; that the list is refused is none.
func (t *taskWatch) list(ctx context.Context, node string, due []*waiter) (map[string]TaskStatus, error) {
	listed := map[string]TaskStatus{}
	if len(due) < 2 {
		return listed, nil
	}
	oldest := slices.MinFunc(due, func(a, b *waiter) int { return a.upid.StartTime.Compare(b.upid.StartTime) })
	tasks, err := t.client.Tasks(ctx, node, TaskFilter{Since: oldest.upid.StartTime})
	if err != nil && errors.Is(err, ErrTransient) {
		return nil, err
	}
	for _, task := range tasks {
		listed[task.UPID.text] = task
	}
	return listed, nil
}
