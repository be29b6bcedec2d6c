package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/viper"

	"labctl/pkg/internal/ui"
	"labctl/pkg/lab/cloudimage"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/vmtemplate"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

// dyingWire is the network of a process that is killed at one of its changes: from then on nothing gets through.
type dyingWire struct {
	next    http.RoundTripper
	mu      sync.Mutex
	changes int
	at      int  // the change at which it is killed, from 1
	reaches bool // that change still reaches the server
	dead    bool
	died    func()
}

func (w *dyingWire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	if r.Method != http.MethodGet {
		w.changes++
	}
	dies := !w.dead && w.at != 0 && w.changes == w.at
	w.dead = w.dead || dies
	dead := w.dead
	w.mu.Unlock()
	if dies {
		w.died()
	}
	if !dead {
		return w.next.RoundTrip(r)
	}
	if dies && w.reaches {
		if response, err := w.next.RoundTrip(r); err == nil {
			_ = response.Body.Close()
		}
	}
	return nil, errors.New("the process was killed")
}

// killWorld is a server, and a process that builds a template.
type killWorld struct {
	t       *testing.T
	cluster *pvesim.Cluster
	state   string
	wire    *dyingWire
	app     *app
	server  *server
}

// process begins a new process on the state directory.
func (w *killWorld) process(state string, wire *dyingWire) {
	w.t.Helper()
	client, err := pve.New(pve.Config{
		URL: "https://pve.invalid:8006", TokenID: pvesim.SandboxTokenID, TokenSecret: pvesim.SandboxTokenSecret, Transport: wire,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	streams := ui.IO{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}
	w.state, w.wire = state, wire
	w.app = &app{IO: streams, flags: flags{stateDir: state, quiet: true}, config: viper.New()}
	w.server = &server{url: "https://pve.invalid:8006", tokenID: pvesim.SandboxTokenID, client: client}
}

func (w *killWorld) build() error {
	_, err := w.app.templateBuilder(w.server).Build(w.t.Context(), vmtemplate.Wanted{
		Node: "pve", Pool: "labctl", Bridge: "vmbr0", VMID: 9001, Name: "jammy", Storage: "zfs", URL: cloudimage.Jammy,
		SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	})
	return err
}

// gc is `labctl gc --yes`.
func (w *killWorld) gc(ctx context.Context) error {
	labs := w.app.labs(&w.server)
	found, err := labs.Find(ctx, w.server.labServer())
	for _, one := range found {
		if one.Garbage() {
			err = errors.Join(err, w.app.collect(ctx, labs, w.server, one))
		}
	}
	return err
}

func (w *killWorld) everything() []string {
	var lines []string
	for _, vm := range w.cluster.VMs() {
		lines = append(lines, fmt.Sprint("VM ", vm.ID))
	}
	for _, volume := range w.cluster.Volumes() {
		lines = append(lines, volume.ID)
	}
	return lines
}

// The build is killed at every change, before or after the change reached the server; `gc --yes` then leaves nothing of it,
// with its state directory, and without it as soon as what it left has expired.
func TestKilledBuildLeavesNothingAfterGC(t *testing.T) {
	for _, major := range []int{8, 9} {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("PVE %d, state lost %v", major, lost), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					kills := 0
					for _, reaches := range []bool{false, true} {
						for at := 1; killedBuild(t, major, at, reaches, lost); at++ {
							kills++
						}
					}
					t.Logf("%d kills", kills)
					if kills < 10 {
						t.Errorf("only %d kills", kills)
					}
				})
			})
		}
	}
}

// killedBuild says whether the build had a change with that number to be killed at.
func killedBuild(t *testing.T, major, at int, reaches, lost bool) bool {
	t.Helper()
	cluster, err := pvesim.New(pvesim.SandboxTopology(major), pvesim.WithSeed(1))
	if err != nil {
		t.Fatal(err)
	}
	w := &killWorld{t: t, cluster: cluster}
	before := w.everything()
	first, saved := t.TempDir(), t.TempDir()
	wire := &dyingWire{next: cluster.Transport(), at: at, reaches: reaches, died: func() {
		if err := os.CopyFS(saved, os.DirFS(first)); err != nil {
			t.Error(err)
		}
	}}
	w.process(first, wire)
	_ = w.build()
	if !wire.dead {
		return false
	}
	state := saved
	<-time.After(time.Minute) // whatever the server still did
	if lost {
		state = t.TempDir()
		<-time.After(inventory.Lifetime)
	}
	w.process(state, &dyingWire{next: cluster.Transport()})
	name := fmt.Sprintf("killed at change %d, which reached the server: %v", at, reaches)
	if err := w.gc(t.Context()); err != nil {
		t.Errorf("%s: gc: %v", name, err)
	}
	after := w.everything()
	if finished := slices.Contains(after, "zfs:base-9001-disk-0"); finished {
		if vm, _ := cluster.VM(9001); vm.Config["template"] == "1" && reaches && at == 5 {
			return true // the last change finished the template: it stays
		}
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("%s: left behind (-before +after)\n%s", name, diff)
	}
	return true
}
