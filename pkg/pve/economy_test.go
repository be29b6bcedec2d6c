package pve_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

// TestRequestEconomy counts what three VMs cost from clone to start and from
// stop to destroy, on a server of usual speed. Other tools were counted at 74 to
// 162 and 39 to 51 requests for the same.
func TestRequestEconomy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topology := pvesim.SandboxTopology(9)
		topology.Timings = pvesim.Realistic()
		cluster, err := pvesim.New(topology)
		if err != nil {
			t.Fatal(err)
		}
		client, err := pve.New(pve.Config{URL: "https://pve.test", TokenID: pvesim.SandboxTokenID, TokenSecret: pvesim.SandboxTokenSecret, Transport: cluster.Transport()})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		inParallel(t, func(vm pve.VMRef) error { return provision(t.Context(), client, vm) })
		up, upTook := len(cluster.Requests()), time.Since(start)
		start = time.Now()
		inParallel(t, func(vm pve.VMRef) error { return wait(t.Context(), client, vm, client.Stop) })
		for id := pve.VMID(9100); id < 9103; id++ {
			if err := wait(t.Context(), client, pve.VMRef{Node: "pve", ID: id}, client.Destroy); err != nil {
				t.Error(err)
			}
		}
		down, downTook := len(cluster.Requests())-up, time.Since(start)
		t.Logf("up: %d requests in %v, down: %d requests in %v", up, upTook, down, downTook)
		if up > 45 || down > 30 {
			t.Errorf("up took %d requests and down %d; want at most 45 and 30", up, down)
		}
	})
}

func inParallel(t *testing.T, do func(pve.VMRef) error) {
	var wg sync.WaitGroup
	for id := pve.VMID(9100); id < 9103; id++ {
		wg.Go(func() {
			if err := do(pve.VMRef{Node: "pve", ID: id}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func wait(ctx context.Context, client *pve.Client, vm pve.VMRef, begin func(context.Context, pve.VMRef) (pve.UPID, error)) error {
	upid, err := begin(ctx, vm)
	if err == nil {
		_, err = client.Wait(ctx, upid, nil)
	}
	return err
}

func provision(ctx context.Context, client *pve.Client, vm pve.VMRef) error {
	steps := []func(context.Context, pve.VMRef) (pve.UPID, error){
		func(ctx context.Context, vm pve.VMRef) (pve.UPID, error) {
			return client.Clone(ctx, pve.CloneRequest{Source: pve.VMRef{Node: "pve", ID: 9000}, NewID: vm.ID, Pool: pvesim.SandboxPool, Description: "mark"})
		},
		func(ctx context.Context, vm pve.VMRef) (pve.UPID, error) {
			change := pve.ConfigChange{Set: []pve.Param{{Key: "cores", Value: "2"}, {Key: "scsi1", Value: "zfs:64,cache=none"}}, BackgroundDelay: 20 * time.Second}
			upid, running, err := client.SetVMConfig(ctx, vm, change)
			if err == nil && running {
				err = errors.New("config took longer than its delay")
			}
			return upid, err
		},
		func(ctx context.Context, vm pve.VMRef) (pve.UPID, error) {
			return client.Resize(ctx, vm, "scsi0", 32<<30)
		},
		client.Start,
	}
	for _, step := range steps {
		upid, err := step(ctx, vm)
		if err == nil && !upid.IsZero() {
			_, err = client.Wait(ctx, upid, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TestOverTLS is the one test over real sockets: certificate, status lines,
// connections that the server closes.
func TestOverTLS(t *testing.T) {
	source := httptest.NewTLSServer(http.NotFoundHandler())
	certificate := source.TLS.Certificates[0]
	source.Close()
	cluster, err := pvesim.New(pvesim.SandboxTopology(9))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- cluster.Serve(ctx, listener, certificate) }()
	defer func() {
		cancel()
		<-served
	}()
	client, err := pve.New(pve.Config{
		URL: "https://" + listener.Addr().String(), Fingerprint: pvesim.Fingerprint(certificate),
		TokenID: pvesim.SandboxTokenID, TokenSecret: pvesim.SandboxTokenSecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	vm := pve.VMRef{Node: "pve", ID: 9100}
	empty := func(ctx context.Context, vm pve.VMRef) (pve.UPID, error) {
		return client.CreateEmptyVM(ctx, pve.EmptyVM{VMRef: vm, Pool: pvesim.SandboxPool, Description: "ä\nb"})
	}
	if err := wait(ctx, client, vm, empty); err != nil {
		t.Fatal(err)
	}
	config, err := client.VMConfig(ctx, vm)
	if err != nil || config.Description() != "ä\nb" {
		t.Errorf("%+v, %v", config, err)
	}
	if _, err := empty(ctx, vm); !errors.Is(err, pve.ErrVMIDTaken) {
		t.Errorf("second create: %v", err)
	}
	if err := wait(ctx, client, vm, client.Destroy); err != nil {
		t.Error(err)
	}
	testWrongPin(t, listener.Addr().String(), pvesim.Fingerprint(certificate))
}

func testWrongPin(t *testing.T, address, right string) {
	wrong := strings.Repeat("00:", 31) + "00"
	client, err := pve.New(pve.Config{URL: address, Fingerprint: wrong, TokenID: pvesim.SandboxTokenID, TokenSecret: pvesim.SandboxTokenSecret})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Start(t.Context(), pve.VMRef{Node: "pve", ID: 9100})
	var mismatch *pve.FingerprintError
	if !errors.As(err, &mismatch) || mismatch.Got != right || mismatch.Want != wrong {
		t.Errorf("wrong pin: %v", err)
	}
	if errors.Is(err, pve.ErrOutcomeUnknown) {
		t.Error("nothing was sent, so nothing is unknown")
	}
}
