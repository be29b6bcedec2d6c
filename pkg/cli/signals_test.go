package cli

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// GNU timeout sends two signals at once, and both mean the same. A person who sends another one later means it.
func TestSignalsWithinASecondAreOne(t *testing.T) {
	for name, test := range map[string]struct {
		at    []time.Duration // when signals come
		leave time.Duration   // when the process leaves at once; 0: never
	}{
		"one":                   {at: []time.Duration{0}},
		"timeout(1)":            {at: []time.Duration{0, 0}},
		"a burst":               {at: []time.Duration{0, time.Millisecond, 500 * time.Millisecond, 999 * time.Millisecond}},
		"a person, twice":       {at: []time.Duration{0, 2 * time.Second}, leave: 2 * time.Second},
		"timeout, then someone": {at: []time.Duration{0, 0, 3 * time.Second}, leave: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun, signals := time.Now(), make(chan os.Signal, 8)
				var ended, left time.Duration = -1, 0
				go func() {
					if last := awaitSecond(signals, func(os.Signal) { ended = time.Since(begun) }); last != nil {
						left = time.Since(begun)
					}
				}()
				for _, at := range test.at {
					<-time.After(at - time.Since(begun))
					signals <- syscall.SIGTERM
					synctest.Wait()
				}
				<-time.After(time.Minute)
				if ended != 0 || left != test.leave {
					t.Errorf("ended after %s, left at once after %s, expected was %s", ended, left, test.leave)
				}
				if test.leave == 0 {
					<-time.After(0)
					signals <- syscall.SIGTERM // lets the goroutine of the test end
				}
			})
		})
	}
}
