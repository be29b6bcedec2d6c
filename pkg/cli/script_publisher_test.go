package cli

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"labctl/pkg/lab/cloudimage"
)

// publisher is the script command "publisher SHA256": it stands for the publisher of the built-in cloud image, behind the
// proxy and the certificate authority that the script's environment names from now on.
func publisher(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) != 1 {
		ts.Fatalf("usage: publisher SHA256")
	}
	image, err := url.Parse(cloudimage.Jammy)
	ts.Check(err)
	certificate, authority := selfSigned(ts, image.Hostname())
	file := filepath.Join(ts.Getenv("WORK"), "publisher.pem")
	ts.Check(os.WriteFile(file, authority, 0o600))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	pages := http.NewServeMux()
	pages.HandleFunc("GET "+path.Dir(image.Path)+"/SHA256SUMS", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(args[0] + " *" + path.Base(image.Path) + "\n"))
	})
	go serveThroughProxy(listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, pages)
	ts.Setenv("HTTPS_PROXY", "http://"+listener.Addr().String())
	ts.Setenv("SSL_CERT_FILE", file)
}

// serveThroughProxy answers CONNECT, whatever host it is for, with a TLS server that has the pages.
func serveThroughProxy(listener net.Listener, config *tls.Config, pages http.Handler) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = connection.Close() }()
			request, err := http.ReadRequest(bufio.NewReader(connection))
			if err != nil || request.Method != http.MethodConnect {
				return
			}
			if _, err := connection.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); err != nil {
				return
			}
			secure := tls.Server(connection, config)
			inside, err := http.ReadRequest(bufio.NewReader(secure))
			if err != nil {
				return
			}
			answer := httptest.NewRecorder()
			pages.ServeHTTP(answer, inside)
			_ = answer.Result().Write(secure)
			_ = secure.Close()
		}()
	}
}

func selfSigned(ts *testscript.TestScript, host string) (tls.Certificate, []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}
