package labrun_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"labctl/pkg/pvesim"
)

// behind lets the server's clock be behind this machine's, and zvols take as long as on a real one.
func behind(skew time.Duration) func(*pvesim.Topology) {
	return func(topology *pvesim.Topology) {
		topology.ClockSkew, topology.Timings = -skew, pvesim.Realistic()
	}
}

// killsClones kills the worker of every clone: what it leaves can be read by no token.
func (s story) killsClones() {
	s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{
		Task: &pvesim.TaskMatch{Type: "qmclone"}, Times: -1, Do: pvesim.Action{Kill: true, Delay: 500 * time.Millisecond},
	}}})
}

// lostClone is an `up` that is killed before it knows its clone's task.
func (s story) lostClone() {
	s.Helper()
	s.killsClones()
	victim := s.process(1, afterEffect)
	var zombie sync.WaitGroup
	zombie.Go(func() { _ = victim.up(context.WithoutCancel(s.Context()), s.spec) })
	zombie.Wait()
}

// rightClock is a server that agrees with this machine from now on.
type rightClock struct{ next http.RoundTripper }

func (r rightClock) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := r.next.RoundTrip(request)
	if err == nil {
		answer.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	return answer, err
}

// A clone whose answer was lost is found in the server's task list, whatever the clocks say, and also when they were set
// right before anybody looks.
func TestLostCloneBetweenClocksThatDiffer(t *testing.T) {
	for _, skew := range []time.Duration{time.Hour, 48 * time.Hour, -time.Hour} {
		for _, mended := range []bool{false, true} {
			tell(t, 1, behind(skew), func(s story) {
				s.lostClone()
				<-time.After(15 * time.Second) // its worker is dead by now
				p := s.process(0, never)
				if mended {
					p.kill.next = rightClock{p.kill.next}
				}
				_, err := p.down(s.Context(), s.spec)
				if len(leftoversIn(err)) == 0 || !strings.Contains(err.Error(), "qm destroy 9100") {
					s.Fatalf("skew %s, mended %v: down did not tell of the clone: %v", skew, mended, err)
				}
				s.root(err)
				s.mustDown()
			})
		}
	}
}

// An intent that never arrived leaves no doubt, though the clocks differ.
func TestIntentThatNeverArrivedBetweenClocksThatDiffer(t *testing.T) {
	for _, skew := range []time.Duration{time.Hour, -time.Hour} {
		tell(t, 1, behind(skew), func(s story) {
			_ = s.process(1, beforeSend).up(s.Context(), s.spec)
			s.asRoot("POST", "/nodes/pve/qemu", "vmid", "9100", "name", "foreign")
			s.mustDown()
		})
	}
}

// What a past run proved says nothing of what happened after it, by whatever clock it ended.
func TestTracesAfterARunThatEndedByAFastClock(t *testing.T) {
	tell(t, 1, behind(time.Hour), func(s story) {
		s.mustUp()
		s.mustDown()
		s.killsClones()
		other := s.process(0, never) // its state directory is lost, that of the past run is not
		other.Store.Root += "-lost"
		if err := other.up(s.Context(), s.spec); err == nil {
			s.Fatal("the clone was not killed: the test tests nothing")
		}
		s.rootDestroys("9100")
	})
}

// forgetful is a server whose list of tasks lost what ended, as after a thousand tasks of others.
type forgetful struct{ next http.RoundTripper }

func (f forgetful) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := f.next.RoundTrip(request)
	if err == nil && strings.HasSuffix(request.URL.Path, "/tasks") {
		err = answer.Body.Close()
		answer.Body, answer.ContentLength = io.NopCloser(strings.NewReader(`{"data":[],"total":0}`)), -1
	}
	return answer, err
}

// That the server lists no task of a clone whose answer was lost proves nothing when that was long ago.
func TestLostCloneThatTheServerDoesNotListAnyMore(t *testing.T) {
	tell(t, 1, behind(0), func(s story) {
		s.lostClone()
		<-time.After(24 * time.Hour)
		p := s.process(0, never)
		p.kill.next = forgetful{p.kill.next}
		_, err := p.down(s.Context(), s.spec)
		if len(leftoversIn(err)) == 0 || !strings.Contains(err.Error(), "qm destroy 9100") {
			s.Fatalf("down did not tell of the clone: %v", err)
		}
		s.root(err)
		s.mustDown()
	})
}
