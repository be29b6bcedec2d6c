package change

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// How many VMs are removed at once follows from how long one takes, also when several at once wait for one lock.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			took time.Duration
			want int
		}{{600 * time.Millisecond, 8}, {2 * time.Second, 4}, {4 * time.Second, 2}, {12 * time.Second, 1}, {0, 8}} {
			var p pace
			if n := p.freesAtOnce("pve"); n != 1 {
				t.Errorf("%d at once before anything is known", n)
			}
			free := func() error { <-time.After(test.took); return nil }
			_ = p.measure("pve", free)
			if n := p.freesAtOnce("pve"); n != test.want || p.freesAtOnce("pve2") != 1 {
				t.Errorf("%v each: %d at once, want %d", test.took, n, test.want)
			}
			lock := make(chan struct{}, 1)
			var all sync.WaitGroup
			for range test.want {
				all.Go(func() {
					_ = p.measure("pve", func() error {
						lock <- struct{}{}
						defer func() { <-lock }()
						return free()
					})
				})
			}
			all.Wait()
			if n := p.freesAtOnce("pve"); n < test.want {
				t.Errorf("%v each, %d at once behind one lock: %d at once, want no fewer", test.took, test.want, n)
			}
		}
	})
}
