package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"labctl/pkg/pvesim"
	"labctl/pkg/remote"
)

// serveInBackground runs a sandbox until the test ends, and returns its address.
func serveInBackground(t *testing.T, dir string) (Info, func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan Info, 1), make(chan error, 1)
	go func() {
		ended <- Serve(ctx, Options{Dir: dir, Listen: "127.0.0.1:0", Major: 9}, func(info Info) error {
			ready <- info
			return nil
		})
	}()
	stop := func() error {
		cancel()
		return <-ended
	}
	select {
	case info := <-ready:
		return info, stop
	case err := <-ended:
		cancel()
		t.Fatal(err)
		return Info{}, nil
	}
}

func TestServedSandboxIsFoundAndAnswers(t *testing.T) {
	dir := t.TempDir()
	info, stop := serveInBackground(t, dir)
	found, err := Find(dir)
	if err != nil || found != info {
		t.Fatalf("Find = %+v, %v, want %+v", found, err, info)
	}
	if answer := version(t, info); !strings.Contains(answer, `"release":"9.`) {
		t.Errorf("version %s", answer)
	}
	if got := onHost(t, info, "pwd && echo $LABCTL_SANDBOX"); !strings.HasSuffix(got, "\nhost\n") {
		t.Errorf("the node says %q", got)
	}
	second := Serve(t.Context(), Options{Dir: dir, Listen: "127.0.0.1:0", Major: 9}, func(Info) error { return nil })
	if second == nil || !strings.Contains(second.Error(), "already running") {
		t.Errorf("a second sandbox: %v", second)
	}
	if err := stop(); err != nil {
		t.Errorf("ending the sandbox: %v", err)
	}
	if _, err := Find(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after its end: %v", err)
	}
	for _, name := range []string{"sandbox.json", "host_ed25519"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !os.IsNotExist(err) {
			t.Errorf("%s is left: it holds a secret", name)
		}
	}
}

// version asks the API for its version and checks that the certificate is the announced one.
func version(t *testing.T, info Info) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // the fingerprint is compared instead
		VerifyConnection: func(state tls.ConnectionState) error {
			if got := pvesim.Fingerprint(tls.Certificate{Certificate: [][]byte{state.PeerCertificates[0].Raw}}); got != info.Fingerprint {
				t.Errorf("fingerprint %s, want %s", got, info.Fingerprint)
			}
			return nil
		},
	}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, info.URL+"/api2/json/version", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "PVEAPIToken="+info.TokenID+"="+info.TokenSecret)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// onHost runs a script on the sandbox's node, through its gateway.
func onHost(t *testing.T, info Info, script string) string {
	t.Helper()
	key, err := os.ReadFile(info.Host.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := remote.ParsePinnedKeys([]byte(info.Host.HostKey))
	if err != nil {
		t.Fatal(err)
	}
	host, err := remote.Connect(t.Context(), remote.Target{
		Name: "pve", Address: info.Host.Address, User: info.Host.User, Signer: signer, HostKey: pinned, Dialer: remote.ProxyDialer(info.Gateway),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	output, err := host.Run(t.Context(), remote.Command{Script: script})
	if err != nil {
		t.Fatal(err)
	}
	return string(output.Stdout)
}

func TestStaleAddressIsNotBelieved(t *testing.T) {
	dir := t.TempDir()
	if err := (Info{PID: os.Getpid(), URL: "https://127.0.0.1:1"}).write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Find = %v", err)
	}
	if err := Stop(t.Context(), dir); err != nil { // must not signal the process of that number: this one
		t.Error(err)
	}
}

func TestOnlyLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "example.com:0", "192.168.7.2:0"} {
		err := Serve(t.Context(), Options{Dir: t.TempDir(), Listen: address, Major: 9}, func(Info) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "loopback only") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestStartTellsWhyItFailed(t *testing.T) {
	dir := t.TempDir()
	_, err := Start(t.Context(), dir, []string{"/bin/sh", "-c", "echo oops >&2; exit 3"})
	if err == nil || !strings.Contains(err.Error(), "ended before it was ready") || !strings.Contains(err.Error(), LogPath(dir)) {
		t.Errorf("error %v", err)
	}
	_, err = Start(t.Context(), dir, []string{"/bin/sh", "-c", `echo '{"error":"port taken"}' >&3`})
	if err == nil || !strings.Contains(err.Error(), "port taken") {
		t.Errorf("error %v", err)
	}
}
