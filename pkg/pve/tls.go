package pve

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// FingerprintError is a server whose certificate is not the expected one, or,
// with Want empty, not one that this machine trusts. Nothing was sent to it.
type FingerprintError struct {
	// Want is the configured SHA-256 fingerprint, "" if none is configured.
	Want string
	// Got is the SHA-256 fingerprint of the certificate that the server showed.
	Got string
	// Err is why the certificate is not trusted, nil when fingerprints were compared.
	Err error
}

// Error implements error.
func (e *FingerprintError) Error() string {
	const check = "the Fingerprint under Node > System > Certificates, or `pvenode cert info` on the node"
	if e.Want == "" {
		return fmt.Sprintf("the server's certificate is not trusted: %v; its SHA-256 fingerprint is %s: "+
			"compare it with %s, and set pve.fingerprint to it, or set pve.ca_file", e.Err, e.Got, check)
	}
	return fmt.Sprintf("the server's certificate has the SHA-256 fingerprint %s, but pve.fingerprint is %s: "+
		"it was renewed, or this is another server; compare with %s, and change pve.fingerprint only if they agree",
		e.Got, e.Want, check)
}

// Unwrap returns why the certificate is not trusted, if fingerprints were not compared.
func (e *FingerprintError) Unwrap() error { return e.Err }

// fingerprintOf writes the SHA-256 fingerprint of a DER certificate as PVE does: "AB:CD:…".
func fingerprintOf(der []byte) string {
	sum := sha256.Sum256(der)
	return colonHex(sum[:])
}

func colonHex(b []byte) string {
	parts := make([]string, len(b))
	for i, x := range b {
		parts[i] = fmt.Sprintf("%02X", x)
	}
	return strings.Join(parts, ":")
}

// parseFingerprint takes 32 bytes in hex, with or without colons, in any case.
func parseFingerprint(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(s), ":", ""))
	if err != nil || len(b) != sha256.Size {
		return nil, fmt.Errorf("fingerprint %q is not a SHA-256 fingerprint such as 6B:8E:0D:… (32 bytes in hex)", s)
	}
	return b, nil
}

// newTransport makes a transport with PVE's habits in mind: HTTP/1.1 only, and
// idle connections dropped before pveproxy drops them after 5 s.
func newTransport(cfg Config) (http.RoundTripper, error) {
	tlsConfig, err := newTLSConfig(cfg)
	if err != nil {
		return nil, err
	}
	return plainTransport(tlsConfig), nil
}

// plainTransport is newTransport with any TLS configuration.
func plainTransport(tlsConfig *tls.Config) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: 10 * time.Second,
		Protocols:           protocols,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     3 * time.Second,
	}
}

// newTLSConfig trusts one certificate by its fingerprint, or a CA file, or the
// system's roots, in that order.
func newTLSConfig(cfg Config) (*tls.Config, error) {
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case cfg.Fingerprint != "":
		want, err := parseFingerprint(cfg.Fingerprint)
		if err != nil {
			return nil, err
		}
		tlsConfig.InsecureSkipVerify = true // VerifyConnection does it: the certificate itself is trusted, not its names
		tlsConfig.VerifyConnection = func(state tls.ConnectionState) error { return verifyFingerprint(state, want) }
	case cfg.CAFile != "":
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading pve.ca_file: %w", err)
		}
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("pve.ca_file %s has no certificate in PEM form", cfg.CAFile)
		}
	}
	return tlsConfig, nil
}

func verifyFingerprint(state tls.ConnectionState, want []byte) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("server showed no certificate")
	}
	got := sha256.Sum256(state.PeerCertificates[0].Raw)
	if subtle.ConstantTimeCompare(got[:], want) != 1 {
		return &FingerprintError{Want: colonHex(want), Got: colonHex(got[:])}
	}
	return nil
}
