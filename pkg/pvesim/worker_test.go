package pvesim

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLocks plays who gets a file lock when.
func TestLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSandbox(t, 8, nil)
		var got []string
		note := func(text string) step {
			return func(w *worker) error {
				got = append(got, fmt.Sprintf("%v %s", time.Since(c.booted.Add(time.Hour)).Round(time.Second), text))
				return nil
			}
		}
		second := time.Second
		c.enter()
		c.begin(nil, locked("x", second, sleepFor(2*second), note("a out")))
		c.begin(nil, lockedShared("x", 5*second, note("b in"), sleepFor(2*second), note("b out")))
		c.begin(nil, lockedShared("x", 5*second, note("c in"), sleepFor(3*second), note("c out")))
		late := c.begin(nil, locked("x", second, note("never")))
		c.begin(nil, locked("x", 9*second, note("d in")))
		c.unlock()
		for range 8 {
			<-time.After(second)
			c.Advance()
		}
		want := []string{"2s a out", "2s b in", "2s c in", "4s b out", "5s c out", "5s d in"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if late.err == nil || late.err.Error() != "can't lock file 'x' - got timeout" {
			t.Errorf("late: %v", late.err)
		}
	})
}

// TestRescue plays how failures unwind.
func TestRescue(t *testing.T) {
	c := instant(t, 8)
	var trace []string
	say := func(text string) step {
		return func(*worker) error { trace = append(trace, text); return nil }
	}
	broken := func(*worker) error { return errors.New("broken") }
	w := c.begin(nil, locked("x", 0, func(w *worker) error {
		w.try(func(w *worker, err error) error {
			trace = append(trace, "rescue "+err.Error())
			w.do(say("clean up"), func(*worker) error { return fmt.Errorf("failed: %w", err) })
			return nil
		}, say("one"), broken, say("never"))
		return nil
	}), say("nor this"))
	if diff := cmp.Diff([]string{"one", "rescue broken", "clean up"}, trace); diff != "" {
		t.Error(diff)
	}
	if w.err == nil || w.err.Error() != "failed: broken" || c.flock("x").writer != nil {
		t.Errorf("err %v, lock %v", w.err, c.flock("x").writer)
	}
}

// TestAbort aborts a full clone: it cleans up after itself.
func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newSandbox(t, 9, nil)
		c := newClient(t, cluster)
		before := cluster.Volumes()
		upid := ok[string](c, post, "/nodes/pve/qemu/9000/clone", "newid", "101", "pool", "labctl", "full", "1", "bwlimit", "10000")
		<-time.After(time.Second)
		ok[*string](c, del, "/nodes/pve/tasks/"+upid)
		if status := c.wait(upid); !strings.HasPrefix(status, "clone failed: copy failed: ") || !strings.HasSuffix(status, "interrupted by signal") {
			t.Errorf("status %q", status)
		}
		if diff := cmp.Diff(before, cluster.Volumes()); diff != "" {
			t.Error(diff)
		}
		if r := c.do(get, "/nodes/pve/qemu/101/config"); r.Status != 403 {
			t.Errorf("config: %d", r.Status)
		}
	})
}

// TestProxyTimeout is the synchronous call that takes too long for pveproxy, but goes on.
func TestProxyTimeout(t *testing.T) {
	inSandbox(t, 8, "faults:\n- volume: {operation: create}\n  times: 4\n  do: {delay: 9s}\n", func(t *testing.T, cluster *Cluster, c *client) {
		c.done(post, "/nodes/pve/qemu/9000/clone", "newid", "101", "pool", "labctl")
		cluster.SetFaults(plan(t, "faults:\n- volume: {operation: create}\n  times: 4\n  do: {delay: 9s}\n"))
		begin := time.Now()
		r := c.do(put, "/nodes/pve/qemu/101/config", "scsi1", "zfs:1", "scsi2", "zfs:1", "scsi3", "zfs:1", "scsi4", "zfs:1")
		if r.Status != 596 || r.Body != "" || time.Since(begin) != 30*time.Second {
			t.Errorf("%d %q after %v", r.Status, r.Body, time.Since(begin))
		}
		<-time.After(10 * time.Second)
		if v, _ := cluster.VM(101); v.Config["scsi4"] == "" {
			t.Errorf("not all was made: %v", v.Config)
		}
	})
}
