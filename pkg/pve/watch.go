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

// waiter is one call of Wait. All but news is guarded by taskWatch.mu.
type waiter struct {
	upid  UPID
	kind  string // of work, by which it is known how long it takes
	since time.Time
	next  time.Time // when it wants to be polled for
	polls int
	ran   bool      // it was seen running
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
	learns bool // whether the first poll goes by how long such tasks took before

	mu      sync.Mutex
	nodes   map[string]*nodeWatch
	typical map[string]time.Duration // by kind of work: how long the last one took
}

func newTaskWatch(c *Client, delay func(int) time.Duration, learns bool) *taskWatch {
	t := &taskWatch{client: c, delay: delay, learns: learns, nodes: map[string]*nodeWatch{}, typical: map[string]time.Duration{}}
	if learns {
		t.typical = usual()
	}
	return t
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
	w := &waiter{upid: upid, kind: upid.Type + workOf(ctx), since: time.Now(), news: make(chan news, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	w.next = w.since.Add(t.first(w.kind))
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

// usual is how long tasks took on an ordinary server before anything is known of this one (three VMs at once, PVE 8.4 and
// 9.2).
func usual() map[string]time.Duration {
	return map[string]time.Duration{
		"qmclone": 1800 * time.Millisecond, "qmstart": 1300 * time.Millisecond, "qmstop": 1300 * time.Millisecond,
		"qmdestroy": 2 * time.Second, "resize": 600 * time.Millisecond,
	}
}

// shareGap is the least pause between two requests that answer for several waiters.
const shareGap = time.Second

// mostTypical bounds how late a first poll may be: the next task may be quicker than the last one.
const mostTypical = 4 * time.Second

// first is how long to wait before the first poll. A little less than last time, so that it follows tasks that become
// quicker.
func (t *taskWatch) first(kind string) time.Duration {
	return max(t.delay(0), min(t.typical[kind]*19/20, mostTypical))
}

// learn notes how long a task took. One that the first look found ended may have ended long before it: the next of its kind is
// looked for earlier, at half the time.
func (t *taskWatch) learn(w *waiter, running bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w.ran = w.ran || running
	if !t.learns || running {
		return
	}
	took := time.Since(w.since)
	if !w.ran {
		took /= 2
	}
	t.typical[w.kind] = took
}

// watch polls a node until its last waiter has left.
func (t *taskWatch) watch(ctx context.Context, node string, n *nodeWatch) {
	for {
		timer := time.NewTimer(time.Until(t.soonest(n)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-n.joined:
			timer.Stop()
		case <-timer.C:
			t.poll(ctx, node, t.due(n))
		}
	}
}

// soonest is when the first waiter wants to be polled for.
func (t *taskWatch) soonest(n *nodeWatch) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	soonest := time.Now().Add(mostPatience)
	for w := range n.waiters {
		if w.next.Before(soonest) {
			soonest = w.next
		}
	}
	return soonest
}

// due returns the waiters to poll for. One request answers for all of them, so that those whose time has not come get
// the news too, and are asked for later in turn.
func (t *taskWatch) due(n *nodeWatch) []*waiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	var gap time.Duration
	if t.learns && len(n.waiters) > 1 {
		gap = shareGap
	}
	all := make([]*waiter, 0, len(n.waiters))
	for w := range n.waiters {
		if !w.next.After(now) {
			w.polls++
		}
		if later := now.Add(max(gap, t.delay(w.polls), t.patience(now.Sub(w.since)))); w.next.Before(later) {
			w.next = later
		}
		all = append(all, w)
	}
	return all
}

// mostPatience bounds the pause between two looks at a task that takes long.
const mostPatience = 10 * time.Second

// patience is the least pause before the next look at a task that has been waited for so long: its end is noticed a little late in
// proportion, and an hour costs no more than some hundred looks.
func (t *taskWatch) patience(waited time.Duration) time.Duration {
	if !t.learns {
		return 0
	}
	return min(waited/8, mostPatience)
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
			if taskErr == nil {
				t.learn(w, status.Running)
			}
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
	tasks, err := t.client.Tasks(ctx, node, TaskFilter{Since: oldest.upid.StartTime, Limit: taskPage})
	if err != nil && errors.Is(err, ErrTransient) {
		return nil, err
	}
	for _, task := range tasks {
		listed[task.UPID.text] = task
	}
	return listed, nil
}
