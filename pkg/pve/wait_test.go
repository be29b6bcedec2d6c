package pve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// fakeTask is a task of the fake node: it runs from begin for a while.
type fakeTask struct {
	upid       string
	begin, end time.Time
	exit       string
	log        []string
	unlisted   bool // missing in the node's list
}

// fakeNode is a node with tasks; its state is a function of the time.
type fakeNode struct {
	mu    sync.Mutex
	tasks []*fakeTask
}

// add makes a task that begins after a delay and runs for a while.
func (n *fakeNode) add(t *testing.T, kind string, delay, runs time.Duration, exit string) (*fakeTask, UPID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	begin := time.Now().Add(delay)
	task := &fakeTask{
		begin: begin, end: begin.Add(runs), exit: exit,
		upid: fmt.Sprintf("UPID:pve:%08X:000B72C4:%08X:%s:101:lp@pve!run:", len(n.tasks), begin.Unix(), kind),
	}
	n.tasks = append(n.tasks, task)
	return task, mustUPID(t, task.upid)
}

func (n *fakeNode) answer(_ int, r sent) (*http.Response, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r.Path == "/nodes/pve/tasks" {
		return n.list(), nil
	}
	upid, what, _ := strings.Cut(strings.TrimPrefix(r.Path, "/nodes/pve/tasks/"), "/")
	for _, task := range n.tasks {
		if task.upid == upid && !time.Now().Before(task.begin) {
			return task.answer(what), nil
		}
	}
	return reply(400, "Parameter verification failed.", `{"errors":{"upid":"no such task"},"data":null}`), nil
}

func (task *fakeTask) answer(what string) *http.Response {
	switch {
	case what == "log":
		lines := make([]string, len(task.log))
		for i, line := range task.log {
			lines[i] = fmt.Sprintf(`{"n":%d,"t":%q}`, i+1, line)
		}
		return reply(200, "OK", fmt.Sprintf(`{"total":%d,"data":[%s]}`, len(lines), strings.Join(lines, ",")))
	case time.Now().Before(task.end):
		return data(`{"status":"running","user":"lp@pve","tokenid":"run"}`)
	default:
		return data(fmt.Sprintf(`{"status":"stopped","exitstatus":%q,"user":"lp@pve","tokenid":"run"}`, task.exit))
	}
}

func (n *fakeNode) list() *http.Response {
	var rows []string
	for _, task := range n.tasks {
		switch now := time.Now(); {
		case task.unlisted || now.Before(task.begin):
		case now.Before(task.end):
			rows = append(rows, fmt.Sprintf(`{"upid":%q,"status":"RUNNING","user":"lp@pve!run","saved":"0"}`, task.upid))
		default:
			rows = append(rows, fmt.Sprintf(`{"upid":%q,"status":%q,"endtime":%d,"user":"lp@pve","tokenid":"run"}`, task.upid, task.exit, task.end.Unix()))
		}
	}
	return data("[" + strings.Join(rows, ",") + "]")
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{}
		s := &server{answer: node.answer}
		_, upid := node.add(t, "qmclone", 0, 700*time.Millisecond, "OK")
		var seen []bool
		start := time.Now()
		status, err := newTestClient(t, s).Wait(t.Context(), upid, func(s TaskStatus) { seen = append(seen, s.Running) })
		if err != nil || status.Failed() || status.ExitStatus != "OK" || status.UPID != upid {
			t.Errorf("%+v, %v", status, err)
		}
		if diff := cmp.Diff([]bool{true, true, false}, seen); diff != "" {
			t.Errorf("observed: %s", diff)
		}
		// Polls after 0.2, 0.6 and 1.4 s, and none for the log.
		if took := time.Since(start); took != 1400*time.Millisecond || len(s.requests()) != 3 {
			t.Errorf("took %v and %d requests", took, len(s.requests()))
		}
	})
}

func TestWaitLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{}
		s := &server{answer: node.answer}
		_, upid := node.add(t, "qmclone", 0, 10*time.Minute, "OK")
		if _, err := newTestClient(t, s).Wait(t.Context(), upid, nil); err != nil {
			t.Error(err)
		}
		if n := len(s.requests()); n < 400 || n > 410 {
			t.Errorf("%d requests in ten minutes, want one every 1.5 seconds", n)
		}
	})
}

func TestWaitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{}
		task, upid := node.add(t, "qmclone", 0, time.Second, "clone failed: can't lock file '/var/lock/pve-manager/pve-storage-zfs' - got timeout")
		for i := range 100 {
			task.log = append(task.log, fmt.Sprintf("transferred %d", i))
		}
		task.log = append(task.log, "TASK ERROR: clone failed: can't lock file …")
		long := &server{answer: func(n int, r sent) (*http.Response, error) {
			if strings.HasSuffix(r.Path, "/log") {
				return pageOf(task.log, r.Params), nil
			}
			return node.answer(n, r)
		}}
		_, err := newTestClient(t, long).Wait(t.Context(), upid, nil)
		var failed *TaskError
		if !errors.As(err, &failed) || failed.UPID != upid || !errors.Is(err, ErrStorageLocked) || !errors.Is(err, ErrLocked) {
			t.Fatalf("%v: %q", err, kindsOf(err))
		}
		if len(failed.Log) != logTail || failed.Log[logTail-1] != task.log[100] {
			t.Errorf("log is %q", failed.Log)
		}
		for _, part := range []string{"qmclone", "got timeout", "TASK ERROR", "transferred 99"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q lacks %q", err, part)
			}
		}
	})
}

// pageOf serves a log with start and limit as PVE does.
func pageOf(log []string, params string) *http.Response {
	var start, limit int
	if _, err := fmt.Sscanf(params, "start=%d limit=%d", &start, &limit); err != nil {
		return reply(500, err.Error(), "")
	}
	var rows []string
	for i := start; i < min(start+limit, len(log)); i++ {
		rows = append(rows, fmt.Sprintf(`{"n":%d,"t":%q}`, i+1, log[i]))
	}
	return reply(200, "OK", fmt.Sprintf(`{"total":%d,"data":[%s]}`, len(log), strings.Join(rows, ",")))
}

// TestWaitEnds has the ends that are neither OK nor an error text.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{}
		c := newTestClient(t, &server{answer: node.answer})

		task, upid := node.add(t, "qmdestroy", 0, time.Second, "WARNINGS: 2")
		task.log = []string{"WARN: Could not remove disk 'zfs:vm-101-disk-1', check manually: dataset is busy", "TASK WARNINGS: 2"}
		status, err := c.Wait(t.Context(), upid, nil)
		if err != nil || status.Failed() || status.Warnings != 2 {
			t.Errorf("warnings: %+v, %v", status, err)
		}
		if diff := cmp.Diff(task.log, status.Log); diff != "" {
			t.Errorf("log of warnings: %s", diff)
		}

		_, killed := node.add(t, "qmclone", 0, time.Second, "unexpected status")
		if _, err := c.Wait(t.Context(), killed, nil); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("killed worker: %v", err)
		}

		_, twice := node.add(t, "qmstart", 0, time.Second, "VM 101 already running")
		if _, err := c.Wait(t.Context(), twice, nil); !errors.Is(err, ErrVMRunning) {
			t.Errorf("started twice: %v", err)
		}
		if _, err := c.Wait(t.Context(), UPID{}, nil); err == nil {
			t.Error("waited for no task")
		}
	})
}

func TestWaitIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{}
		s := &server{answer: node.answer}
		_, upid := node.add(t, "qmclone", 0, time.Hour, "OK")
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		start := time.Now()
		status, err := newTestClient(t, s).Wait(ctx, upid, nil)
		var running *StillRunningError
		if !errors.As(err, &running) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), upid.String()) {
			t.Errorf("%v", err)
		}
		if took := time.Since(start); took != 2500*time.Millisecond || !status.Running {
			t.Errorf("after %v: %+v", took, status)
		}
		n := len(s.requests())
		<-time.After(time.Minute)
		if len(s.requests()) != n {
			t.Error("polls go on after the last wait has ended")
		}
	})
}

// TestWaitNewTask: the node may not know a task's ID at once after giving it.
func TestWaitNewTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{}
		c := newTestClient(t, &server{answer: node.answer})
		_, late := node.add(t, "qmstart", 3*time.Second, time.Second, "OK")
		if _, err := c.Wait(t.Context(), late, nil); err != nil {
			t.Errorf("registered late: %v", err)
		}
		_, never := node.add(t, "qmstart", time.Hour, time.Second, "OK")
		start := time.Now()
		_, err := c.Wait(t.Context(), never, nil)
		if took := time.Since(start); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), never.String()) || took > registerTime+2*time.Second {
			t.Errorf("never registered: after %v: %v", took, err)
		}
	})
}

// TestWaitsShareRequests: eight waits on one node cost about as much as one.
func TestWaitsShareRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{}
		s := &server{answer: node.answer}
		c := newTestClient(t, s)
		ends := []string{"OK", "OK", "WARNINGS: 1", "OK", "VM is locked (backup)", "OK", "OK", "OK"}
		var wg sync.WaitGroup
		for i, end := range ends {
			task, upid := node.add(t, "qmdestroy", 0, time.Duration(10+i)*time.Second, end)
			task.unlisted = i == 3
			wg.Go(func() {
				status, err := c.Wait(t.Context(), upid, nil)
				if status.ExitStatus != end || (err != nil) != (i == 4) {
					t.Errorf("task %d: %+v, %v", i, status, err)
				}
			})
		}
		wg.Wait()
		lists, statuses := 0, 0
		for _, r := range s.requests() {
			switch {
			case r.Path == "/nodes/pve/tasks":
				lists++
			case strings.HasSuffix(r.Path, "/status"):
				statuses++
			}
		}
		// About 17 s: 17 to 21 lists, the unlisted task by itself for 13 s, the last one alone for 1 s.
		if lists > 22 || statuses > 22 {
			t.Errorf("%d lists and %d single polls:\n%s", lists, statuses, strings.Join(s.lines(), "\n"))
		}
	})
}

// TestWaitJoins: a wait that joins a slow one is polled for as if it were alone.
func TestWaitJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{}
		c := newTestClient(t, &server{answer: node.answer})
		_, long := node.add(t, "qmclone", 0, time.Minute, "OK")
		done := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, err := c.Wait(ctx, long, nil)
			done <- err
		}()
		<-time.After(20 * time.Second)
		_, short := node.add(t, "qmstart", 0, 100*time.Millisecond, "OK")
		start := time.Now()
		if _, err := c.Wait(t.Context(), short, nil); err != nil || time.Since(start) > 200*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		cancel() // the first waiter's context must not end the others' polls
		<-done
		_, next := node.add(t, "qmstart", 0, time.Second, "OK")
		if _, err := c.Wait(t.Context(), next, nil); err != nil {
			t.Error(err)
		}
	})
}

// TestWaitSurvivesRestart: the server may be away for less than the retries last.
func TestWaitSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{}
		start := time.Now()
		away := func() bool { took := time.Since(start); return took > 2*time.Second && took < 30*time.Second }
		c := newTestClient(t, &server{answer: func(n int, r sent) (*http.Response, error) {
			if away() {
				return nil, errDial
			}
			return node.answer(n, r)
		}})
		_, upid := node.add(t, "qmclone", 0, 10*time.Second, "OK")
		if _, err := c.Wait(t.Context(), upid, nil); err != nil {
			t.Error(err)
		}
	})
}

// TestWaitServerGone: all waiters learn of it, after one round of retries.
func TestWaitServerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{}
		var gone atomic.Bool
		c := newTestClient(t, &server{answer: func(n int, r sent) (*http.Response, error) {
			if gone.Load() {
				return nil, errDial
			}
			return node.answer(n, r)
		}})
		var wg sync.WaitGroup
		start := time.Now()
		for range 3 {
			_, upid := node.add(t, "qmclone", 0, time.Hour, "OK")
			wg.Go(func() {
				_, err := c.Wait(t.Context(), upid, nil)
				var unreachable *UnreachableError
				if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), upid.String()) {
					t.Errorf("%v", err)
				}
			})
		}
		<-time.After(5 * time.Second)
		gone.Store(true)
		wg.Wait()
		if took := time.Since(start); took > 90*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestPollDelay(t *testing.T) {
	var got []time.Duration
	for _, poll := range []int{0, 1, 2, 3, 4, 1000000} {
		got = append(got, defaultPollDelay(poll))
	}
	want := []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, time.Second, time.Second, 1500 * time.Millisecond}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestTaskRows: a token's user looks different in running and ended rows, and a
// row may lack anything but its UPID.
func TestTaskRows(t *testing.T) {
	s := inTurn(data(`[
		{"upid":"UPID:pve:00000001:000B72C4:00000001:qmstart:1:lp@pve!run:","status":"OK","endtime":5,"user":"lp@pve","tokenid":"run"},
		{"upid":"UPID:pve:00000002:000B72C4:00000003:qmstart:2:lp@pve!run:","status":"RUNNING","user":"lp@pve!run","saved":"0"},
		{"upid":"UPID:pve:00000003:000B72C4:00000002:qmstart:3:lp@pve!run:"},
		{"upid":"UPID:whatever","status":"OK","endtime":7}]`))
	tasks, err := newTestClient(t, s).Tasks(t.Context(), "pve", TaskFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, task := range tasks {
		got = append(got, fmt.Sprintf("%s %s %v %q %d", task.UPID.ID, task.UPID.User, task.Running, task.ExitStatus, task.Ended.Unix()))
	}
	want := []string{
		`2 lp@pve!run true "" -62135596800`,
		`3 lp@pve!run true "" -62135596800`,
		`1 lp@pve!run false "OK" 5`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestTasksPages: a list longer than a page is read to its end, and what a task that begins meanwhile moves on is listed once.
func TestTasksPages(t *testing.T) {
	row := func(n int) string {
		return fmt.Sprintf(`{"upid":"UPID:pve:%08X:000B72C4:%08X:qmstart:1:lp@pve!run:","status":"OK","endtime":5}`, n, n)
	}
	tests := map[string]struct{ tasks, limit, requests, listed int }{
		"few":             {tasks: 499, requests: 1, listed: 499},
		"a page":          {tasks: 500, requests: 2, listed: 500},
		"three pages":     {tasks: 1200, requests: 3, listed: 1200},
		"not all of them": {tasks: 1200, limit: 500, requests: 1, listed: 500},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			newest := tt.tasks
			s := &server{answer: func(n int, r sent) (*http.Response, error) {
				start := 0
				if _, from, ok := strings.Cut(r.Params, "start="); ok {
					_, _ = fmt.Sscan(from, &start)
				}
				var rows []string
				for i := start; i < min(start+500, newest); i++ {
					rows = append(rows, row(newest-i))
				}
				newest++
				return data("[" + strings.Join(rows, ",") + "]"), nil
			}}
			tasks, err := newTestClient(t, s).Tasks(t.Context(), "pve", TaskFilter{Limit: tt.limit})
			if err != nil {
				t.Fatal(err)
			}
			if len(tasks) != tt.listed || len(s.lines()) != tt.requests {
				t.Errorf("%d tasks in %d requests, want %d in %d", len(tasks), len(s.lines()), tt.listed, tt.requests)
			}
			if oldest := tasks[len(tasks)-1].UPID.StartTime.Unix(); tt.limit == 0 && oldest != 1 {
				t.Errorf("the oldest is of %d", oldest)
			}
		})
	}
}

// TestWaitProperties starts and cancels waits at random: each learns of its own
// task's end and of no other, not before it and not long after.
func TestWaitProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type plan struct{ Join, Runs, Cancel time.Duration }
		seconds := rapid.Map(rapid.IntRange(0, 20_000), func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond })
		plans := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) plan {
			return plan{Join: seconds.Draw(rt, "join"), Runs: seconds.Draw(rt, "runs"), Cancel: 1 + 3*seconds.Draw(rt, "cancel")}
		}), 1, 8).Draw(rt, "plans")
		synctest.Test(t, func(t *testing.T) {
			node := &fakeNode{}
			c := newTestClient(t, &server{answer: node.answer})
			var wg sync.WaitGroup
			for i, p := range plans {
				wg.Go(func() {
					<-time.After(p.Join)
					exit := fmt.Sprintf("WARNINGS: %d", i+1)
					task, upid := node.add(t, "qmclone", 0, p.Runs, exit)
					ctx, cancel := context.WithTimeout(t.Context(), p.Cancel)
					defer cancel()
					status, err := c.Wait(ctx, upid, nil)
					late := time.Since(task.end)
					if err == nil && (status.ExitStatus != exit || late < 0 || late > mostTypical) {
						t.Errorf("%+v: %+v, %v after its end", p, status, late)
					}
					if err != nil && (!errors.Is(err, context.DeadlineExceeded) || late > mostTypical) {
						t.Errorf("%+v: %v, %v after its end", p, err, late)
					}
				})
			}
			wg.Wait()
		})
		if t.Failed() {
			rt.FailNow()
		}
	})
}
