package pve

import (
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tlsServer answers /version over TLS and notes the protocol used.
func tlsServer(t *testing.T) (*httptest.Server, *string) {
	protocol := new(string)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*protocol = r.Proto
		_, _ = w.Write([]byte(`{"data":` + versionJSON + `}`))
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it reports the handshakes that we refuse
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, protocol
}

func versionOf(t *testing.T, cfg Config) error {
	t.Helper()
	cfg.TokenID, cfg.TokenSecret = "lp@pve!run", testSecret
	transport, err := newTransport(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Transport = transport
	if tr, ok := transport.(*http.Transport); ok {
		t.Cleanup(tr.CloseIdleConnections)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Version(t.Context())
	return err
}

func TestTrustByFingerprint(t *testing.T) {
	s, protocol := tlsServer(t)
	right := fingerprintOf(s.Certificate().Raw)
	for _, spelling := range []string{right, strings.ToLower(right), strings.ReplaceAll(right, ":", "")} {
		if err := versionOf(t, Config{URL: s.URL, Fingerprint: spelling}); err != nil {
			t.Errorf("%s: %v", spelling, err)
		}
	}
	if *protocol != "HTTP/1.1" {
		t.Errorf("spoke %s; PVE speaks HTTP/1.1 only", *protocol)
	}

	wrong := strings.Repeat("AB:", 31) + "CD"
	err := versionOf(t, Config{URL: s.URL, Fingerprint: wrong})
	var mismatch *FingerprintError
	if !errors.As(err, &mismatch) || mismatch.Want != wrong || mismatch.Got != right || mismatch.Err != nil {
		t.Fatalf("wrong fingerprint: %v", err)
	}
	for _, part := range []string{wrong, right, "pve.fingerprint", "pvenode cert info"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
}

func TestTrustByCA(t *testing.T) {
	s, _ := tlsServer(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := versionOf(t, Config{URL: s.URL, CAFile: file}); err != nil {
		t.Error(err)
	}

	// By the system's roots nobody trusts a test's certificate: the error shows what to pin.
	err := versionOf(t, Config{URL: s.URL})
	var untrusted *FingerprintError
	if !errors.As(err, &untrusted) || untrusted.Want != "" || untrusted.Got != fingerprintOf(s.Certificate().Raw) || untrusted.Err == nil {
		t.Fatalf("system's roots: %v", err)
	}
	if !strings.Contains(err.Error(), "set pve.fingerprint") {
		t.Errorf("no remedy in %q", err)
	}
}

func TestNewRefuses(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "not.pem")
	if err := os.WriteFile(notPEM, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := Config{URL: "https://pve.test", TokenID: "lp@pve!run", TokenSecret: testSecret}
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"no URL":          {func(c *Config) { c.URL = "" }, "pve.url"},
		"http":            {func(c *Config) { c.URL = "http://pve.test:8006" }, "https only"},
		"user in URL":     {func(c *Config) { c.URL = "https://a:b@pve.test:8006" }, "no user"},
		"no host":         {func(c *Config) { c.URL = "https://:8006" }, "give a host"},
		"bad URL":         {func(c *Config) { c.URL = "https://pve.test:port" }, "pve.url"},
		"no token":        {func(c *Config) { c.TokenID = "" }, "pve.token_id"},
		"user only":       {func(c *Config) { c.TokenID = "root@pam" }, "user@realm!token"},
		"secret in ID":    {func(c *Config) { c.TokenID = "lp@pve!run=" + testSecret }, "user@realm!token"},
		"no secret":       {func(c *Config) { c.TokenSecret = "" }, "pve.token_secret"},
		"line in secret":  {func(c *Config) { c.TokenSecret += "\n" }, "line ends"},
		"SHA-1":           {func(c *Config) { c.Fingerprint = strings.Repeat("AB:", 19) + "CD" }, "SHA-256"},
		"missing CA file": {func(c *Config) { c.CAFile = filepath.Join(t.TempDir(), "none") }, "pve.ca_file"},
		"CA file not PEM": {func(c *Config) { c.CAFile = notPEM }, "PEM"},
	}
	for name, tt := range tests {
		cfg := good
		tt.change(&cfg)
		_, err := New(cfg)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), testSecret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

func TestParseURL(t *testing.T) {
	for in, want := range map[string]string{
		"pve.test":                         "https://pve.test:8006",
		"192.168.7.2:8006":                 "https://192.168.7.2:8006",
		"https://pve.test/":                "https://pve.test:8006",
		"https://pve.test:443/":            "https://pve.test:443",
		"https://pve.test:8006/api2/json":  "https://pve.test:8006",
		"https://pve.test:8006/api2/json/": "https://pve.test:8006",
		"https://proxy.test:443/pve?x=1#y": "https://proxy.test:443/pve",
		"https://[fd00::1]":                "https://[fd00::1]:8006",
	} {
		u, err := parseURL(in)
		if err != nil || u.String() != want {
			t.Errorf("parseURL(%q) = %v, %v, want %s", in, u, err, want)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	err = versionOf(t, Config{URL: "https://" + address})
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), address) {
		t.Error(err)
	}
}

// TestNotTLS: something else listens there.
func TestNotTLS(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	err := versionOf(t, Config{URL: "https://" + s.Listener.Addr().String()})
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) {
		t.Error(err)
	}
}

// TestIdleConnections: pveproxy drops idle connections after 5 s, so we do earlier.
func TestIdleConnections(t *testing.T) {
	rt, err := newTransport(Config{})
	if err != nil {
		t.Fatal(err)
	}
	tr, ok := rt.(*http.Transport)
	if !ok || tr.IdleConnTimeout <= 0 || tr.IdleConnTimeout > 3*time.Second {
		t.Errorf("idle connections are kept for %v", tr.IdleConnTimeout)
	}
	if tr.Protocols.HTTP2() || tr.Protocols.UnencryptedHTTP2() || !tr.Protocols.HTTP1() {
		t.Errorf("protocols are %v", tr.Protocols)
	}
}
