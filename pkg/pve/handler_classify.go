package pve

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"strings"
)

// classifyHandler turns failures of the network and answers with an error
// status into errors on which callers can decide.
func classifyHandler(next handler, serverURL, tokenID string) handler {
	return func(ctx context.Context, c call) (answer, error) {
		if err := context.Cause(ctx); err != nil {
			return answer{}, err // nothing was sent
		}
		a, err := next(ctx, c)
		switch {
		case err != nil:
			return a, classifyFailure(ctx, c, err, serverURL)
		case a.status >= 300:
			return a, answerError(c, a, tokenID)
		}
		return a, nil
	}
}

// classifyFailure handles calls without an answer. Only what surely happened
// before anything was sent leaves a change undone; any other failure may have
// struck after the server read it.
func classifyFailure(ctx context.Context, c call, err error, serverURL string) error {
	var fingerprint *FingerprintError
	if errors.As(err, &fingerprint) {
		return fingerprint
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) && len(untrusted.UnverifiedCertificates) > 0 {
		return &FingerprintError{Got: fingerprintOf(untrusted.UnverifiedCertificates[0].Raw), Err: untrusted.Err}
	}
	if !c.readOnly && !neverConnected(err) {
		return &Error{Method: c.method, Path: c.path, kinds: []error{ErrOutcomeUnknown}, cause: err}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &UnreachableError{URL: serverURL, Err: err}
}

// neverConnected reports whether err arose before a connection stood.
func neverConnected(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") {
		return true
	}
	var dns *net.DNSError
	var notTLS tls.RecordHeaderError
	return errors.As(err, &dns) || errors.As(err, &notTLS)
}

// answerError builds the error of an answer with an error status. The cause is
// in the status line, in the body's message, or in both; some answers have no
// body at all, and behind a reverse proxy the body may be any page.
func answerError(c call, a answer, tokenID string) *Error {
	e := &Error{Method: c.method, Path: c.path, Status: a.status, Reason: a.reason}
	var body struct {
		Message wireText            `json:"message"`
		Errors  map[string]wireText `json:"errors"`
	}
	if json.Unmarshal(a.body, &body) == nil {
		e.Message = strings.TrimSpace(string(body.Message))
		for name, text := range body.Errors {
			if e.Fields == nil {
				e.Fields = make(map[string]string, len(body.Errors))
			}
			e.Fields[name] = string(text)
		}
	}
	e.kinds = classify(c, e.Status, e.text(), e.Fields)
	for _, kind := range e.kinds {
		var p *PermissionError
		if errors.As(kind, &p) {
			p.TokenID = tokenID
		}
	}
	if e.Status == 403 && !errors.Is(e, ErrPermission) {
		e.kinds = append(e.kinds, &PermissionError{TokenID: tokenID, Detail: e.text()})
	}
	return e
}
