package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("FILELOCK_QUEUE"); dir != "" { // a process that dies inside
		leave, err := Queue{Dir: dir}.Enter(context.Background())
		if err != nil {
			panic(err)
		}
		fmt.Println("inside")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until it is killed
		leave()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func TestTryAndHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "lab.lock")
	if held, err := Held(path); held || err != nil {
		t.Errorf("before there is a file: %v, %v", held, err)
	}
	lock, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	lock.Note("17\n")
	var other *HeldError
	if _, err := Try(path); !errors.Is(err, ErrHeld) || !errors.As(err, &other) || other.Note != "17\n" {
		t.Errorf("%v", err)
	}
	if held, err := Held(path); !held || err != nil {
		t.Errorf("%v, %v", held, err)
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
	if held, err := Held(path); held || err != nil {
		t.Errorf("after it was given back: %v, %v", held, err)
	}
}

// Processes enter in the order in which they came, although many wait, and none of them wakes up before its turn.
func TestQueueIsFairAndQuiet(t *testing.T) {
	const waiters = 40
	dir := t.TempDir()
	drawn := make(chan struct{}, waiters+1)
	queue := Queue{Dir: dir, drawn: func() { drawn <- struct{}{} }}
	leave, err := queue.Enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-drawn
	var order []int
	var mu sync.Mutex
	var all sync.WaitGroup
	inside := 0
	for i := range waiters {
		all.Go(func() {
			leave, err := queue.Enter(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order, inside = append(order, i), inside+1
			if inside != 1 {
				t.Errorf("%d are inside", inside)
			}
			inside--
			mu.Unlock()
			leave()
		})
		<-drawn // so that they come one after the other
	}
	leave()
	all.Wait()
	for i, waiter := range order {
		if waiter != i {
			t.Fatalf("they entered in the order %v", order)
		}
	}
	if left, err := queue.tickets(); len(left) > 0 || err != nil {
		t.Errorf("tickets left: %v, %v", left, err)
	}
}

// Who gives up, or dies, in the middle of the queue lets nobody in before those who came earlier.
func TestQueueWithoutOneInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	drawn := make(chan struct{}, 9)
	queue := Queue{Dir: dir, drawn: func() { drawn <- struct{}{} }}
	leave, err := queue.Enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-drawn
	hurried, cancel := context.WithCancelCause(t.Context())
	gaveUp := make(chan error, 1)
	go func() { _, err := queue.Enter(hurried); gaveUp <- err }()
	<-drawn
	entered := make(chan struct{})
	go func() {
		leave, err := queue.Enter(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		close(entered)
		leave()
	}()
	<-drawn
	cancel(os.ErrDeadlineExceeded)
	if err := <-gaveUp; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	select {
	case <-entered:
		t.Error("the third entered while the first was inside")
	case <-time.After(50 * time.Millisecond):
	}
	leave()
	<-entered
}

// The place of a process that died is free.
func TestQueueAfterADeath(t *testing.T) {
	dir := t.TempDir()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "FILELOCK_QUEUE="+dir)
	if _, err := command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	entered := make(chan error, 1)
	go func() {
		leave, err := Queue{Dir: dir}.Enter(t.Context())
		if err == nil {
			leave()
		}
		entered <- err
	}()
	select {
	case <-entered:
		t.Fatal("entered while another process was inside")
	case <-time.After(50 * time.Millisecond):
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	if err := <-entered; err != nil {
		t.Error(err)
	}
}

func some(n int) func() int { return func() int { return n } }

// Two hundred calls of several processes wait for three places: never more than three are inside, everybody gets in, and only one
// at a time looks for a place.
func TestGateWithManyWaiters(t *testing.T) {
	const processes, calls, atOnce = 8, 25, 3
	dir := t.TempDir()
	var inside, most, done, looks atomic.Int64
	var all sync.WaitGroup
	for range processes {
		gate := NewGate(dir)
		gate.tried = func() { looks.Add(1) }
		for range calls {
			all.Go(func() {
				leave, err := gate.Enter(t.Context(), some(atOnce))
				if err != nil {
					t.Error(err)
					return
				}
				n := inside.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				<-time.After(2 * time.Millisecond)
				inside.Add(-1)
				done.Add(1)
				leave()
			})
		}
	}
	all.Wait()
	if most.Load() > atOnce || done.Load() != processes*calls {
		t.Errorf("up to %d were inside, %d got in", most.Load(), done.Load())
	}
	if looks.Load() > 5*processes*calls {
		t.Errorf("%d looks for a place for %d calls", looks.Load(), done.Load())
	}
	t.Logf("%d looks for %d calls", looks.Load(), done.Load())
}

// While a gate is full, its waiters sleep: all but one do nothing at all.
func TestFullGateIsQuiet(t *testing.T) {
	dir := t.TempDir()
	full := NewGate(dir)
	leave, err := full.Enter(t.Context(), some(1))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var looks atomic.Int64
	var all sync.WaitGroup
	for range 5 {
		gate := NewGate(dir)
		gate.tried = func() { looks.Add(1) }
		for range 40 {
			all.Go(func() {
				if leave, err := gate.Enter(ctx, some(1)); err == nil {
					t.Error("entered a full gate")
					leave()
				}
			})
		}
	}
	all.Wait()
	leave()
	if looks.Load() > 20 {
		t.Errorf("200 waiters looked %d times within half a second", looks.Load())
	}
	t.Logf("%d looks", looks.Load())
}

// A gate that has become narrower lets nobody in before enough have left, and a wider one lets more in.
func TestGateChangesItsWidth(t *testing.T) {
	gate := NewGate(t.TempDir())
	var leave []func()
	for range 4 {
		one, err := gate.Enter(t.Context(), some(4))
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, one)
	}
	enters := func(atOnce int) bool {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
		defer cancel()
		one, err := gate.Enter(ctx, some(atOnce))
		if err == nil {
			one()
		}
		return err == nil
	}
	if enters(2) || enters(4) || !enters(5) || enters(0) {
		t.Error("the number inside is not kept")
	}
	leave[0]()
	leave[2]()
	if enters(2) || !enters(3) {
		t.Error("the number inside is not kept after two have left")
	}
	leave[1]()
	leave[3]()
	if !enters(0) {
		t.Error("an empty gate lets nobody in")
	}
}
