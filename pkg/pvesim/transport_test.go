package pvesim

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestGivenUp checks what a client leaves behind that no longer waits: nothing when it gave up before it asked, the
// whole effect when it gave up later.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := newSandbox(t, 8, func(topology *Topology) { topology.Timings.Allocate = 3 * time.Second })
		c := newClient(t, cluster)
		ask := func(ctx context.Context, path, body string) error {
			r, err := http.NewRequestWithContext(ctx, post, c.base+"/api2/json/nodes/pve/qemu"+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "PVEAPIToken="+c.token)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			response, err := cluster.Transport().RoundTrip(r)
			if err == nil {
				response.Body.Close()
			}
			return err
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := ask(gone, "/9000/clone", "newid=101&pool=labctl"); !errors.Is(err, context.Canceled) {
			t.Errorf("given up before: %v", err)
		}
		if _, exists := cluster.VM(101); exists {
			t.Error("a request that was never sent was answered")
		}
		c.done(post, "/nodes/pve/qemu/9000/clone", "newid", "101", "pool", "labctl")
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := ask(short, "/101/config", "scsi1=zfs:1&background_delay=20"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("given up while waiting: %v", err)
		}
		<-time.After(10 * time.Second)
		if v, _ := cluster.VM(101); v.Config["scsi1"] == "" {
			t.Error("the task did not go on")
		}
	})
}
