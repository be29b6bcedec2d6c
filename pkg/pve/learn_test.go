package pve

import (
	"testing"
	"testing/synctest"
	"time"
)

// A task that takes as long as the last one of its kind is asked for once, and work of another kind is not mixed up with it.
func TestWaitLearnsHowLongTasksTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{}
		fake := &server{answer: node.answer}
		c, err := New(Config{URL: "https://pve.test:8006", TokenID: "lp@pve!run", TokenSecret: testSecret, Transport: fake})
		if err != nil {
			t.Fatal(err)
		}
		polls := func(work string, runs time.Duration) int {
			t.Helper()
			before := len(fake.requests())
			_, upid := node.add(t, "qmdestroy", 0, runs, "OK")
			if _, err := c.Wait(WithWork(t.Context(), work), upid, nil); err != nil {
				t.Fatal(err)
			}
			return len(fake.requests()) - before
		}
		polls("long", 3*time.Second)
		first, second := polls("short", 3*time.Second), polls("long", 3*time.Second)
		if first < 3 || second != 1 {
			t.Errorf("%d requests for the first and %d for the second of two equal tasks", first, second)
		}
		begun := time.Now()
		if n := polls("empty", 100*time.Millisecond); n != 1 || time.Since(begun) > 300*time.Millisecond {
			t.Errorf("a quick task of another kind: %d requests, noticed after %v", n, time.Since(begun))
		}
		begun = time.Now()
		if polls("long", 0); time.Since(begun) > mostTypical {
			t.Errorf("a task that is suddenly quick was noticed after %v", time.Since(begun))
		}
	})
}

// A kind of task that has become quicker is noticed after few of them: while the first look finds each of them ended, the next is looked
// for at half the time.
func TestWaitFollowsTasksThatBecomeQuicker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{}
		fake := &server{answer: node.answer}
		c, err := New(Config{URL: "https://pve.test:8006", TokenID: "lp@pve!run", TokenSecret: testSecret, Transport: fake})
		if err != nil {
			t.Fatal(err)
		}
		wait := func(runs time.Duration) time.Duration {
			t.Helper()
			begun := time.Now()
			_, upid := node.add(t, "qmdestroy", 0, runs, "OK")
			if _, err := c.Wait(t.Context(), upid, nil); err != nil {
				t.Fatal(err)
			}
			return time.Since(begun)
		}
		wait(4 * time.Second)
		var all time.Duration
		for range 8 {
			all += wait(300 * time.Millisecond)
		}
		if all > 12*time.Second {
			t.Errorf("eight tasks of 0.3 s, one after the other, took %v", all)
		}
		before := len(fake.requests())
		for range 8 {
			wait(3 * time.Second)
		}
		if n := len(fake.requests()) - before; n > 8*4 {
			t.Errorf("eight tasks of 3 s took %d requests", n)
		}
	})
}

// A task that takes long is looked at less and less often, and its end is noticed a little late in proportion.
func TestWaitIsPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, runs := range []time.Duration{30 * time.Second, 10 * time.Minute, time.Hour} {
			node := &fakeNode{}
			fake := &server{answer: node.answer}
			c, err := New(Config{URL: "https://pve.test:8006", TokenID: "lp@pve!run", TokenSecret: testSecret, Transport: fake})
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			_, upid := node.add(t, "qmclone", 0, runs, "OK")
			if _, err := c.Wait(t.Context(), upid, nil); err != nil {
				t.Fatal(err)
			}
			late, limit := time.Since(begun)-runs, 40+int(runs/mostPatience)
			if late > min(runs/8, mostPatience) || len(fake.requests()) > limit {
				t.Errorf("%v: noticed %v late, with %d requests of at most %d", runs, late, len(fake.requests()), limit)
			}
		}
	})
}
