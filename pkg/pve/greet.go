package pve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"
)

// Greeting is what a server tells everybody, before any token.
type Greeting struct {
	// URL is the server's address in full.
	URL string
	// Fingerprint is the SHA-256 fingerprint of its certificate as PVE shows it, Subject whom it was made for.
	Fingerprint, Subject string
	// NotAfter is until when the certificate is valid.
	NotAfter time.Time
	// Trusted tells that this machine trusts the certificate for that address without any fingerprint.
	Trusted bool
	// Node is the node's name and Version its pve-manager, such as "9.2.11"; "" where the login page does not say.
	Node, Version string
	// Major is the number before Version's dot, 0 when it is not known.
	Major int
}

// Greet asks the server at an address who it is, and sends it nothing. Whoever
// answers may be anybody: the fingerprint is to be compared with the server's own.
func Greet(ctx context.Context, address string) (Greeting, error) {
	base, err := parseURL(address)
	if err != nil {
		return Greeting{}, err
	}
	var shown *x509.Certificate
	trusted := false
	transport := plainTransport(&tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, // nothing secret is sent, and whom to trust is what is being found out
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errors.New("server showed no certificate")
			}
			shown, trusted = state.PeerCertificates[0], verifies(state, base.Hostname())
			return nil
		},
	})
	defer transport.CloseIdleConnections()
	page, err := fetchPage(ctx, transport, base)
	if shown == nil {
		return Greeting{}, err
	}
	greeting := Greeting{
		URL: base.String(), Fingerprint: fingerprintOf(shown.Raw), Subject: shown.Subject.CommonName, NotAfter: shown.NotAfter, Trusted: trusted,
	}
	greeting.readPage(page)
	return greeting, nil
}

// verifies says whether the system's roots vouch for the certificate.
func verifies(state tls.ConnectionState, host string) bool {
	options := x509.VerifyOptions{DNSName: host, Intermediates: x509.NewCertPool()}
	for _, certificate := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	return err == nil
}

// maxPage bounds the login page in bytes; a real one has 3 KiB.
const maxPage = 1 << 20

func fetchPage(ctx context.Context, transport http.RoundTripper, base *url.URL) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, DefaultRequestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.String()+"/", nil)
	if err != nil {
		return nil, fmt.Errorf("preparing the first request: %w", err)
	}
	req.Header.Set("User-Agent", "labctl")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, &UnreachableError{URL: base.String(), Err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return nil, &UnreachableError{URL: base.String(), Err: err}
	}
	return page, nil
}

var (
	pageVersion = regexp.MustCompile(`/pvemanagerlib\.js\?ver=(\d+)(\.[0-9][0-9.~-]*)`)
	pageTitle   = regexp.MustCompile(`<title>([^<]*) - Proxmox Virtual Environment</title>`)
)

// readPage finds node and version in the login page: the title, and the script that is named with its version so
// that browsers notice a new one (pve-manager, www/index.html.tpl).
func (g *Greeting) readPage(page []byte) {
	if m := pageTitle.FindSubmatch(page); m != nil {
		g.Node = html.UnescapeString(string(m[1]))
	}
	m := pageVersion.FindSubmatch(page)
	if m == nil {
		return
	}
	if major, err := strconv.Atoi(string(m[1])); err == nil {
		g.Major, g.Version = major, string(m[1])+string(m[2])
	}
}
