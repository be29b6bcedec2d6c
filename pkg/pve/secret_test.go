package pve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestSecretIsNotShown(t *testing.T) {
	cfg := Config{TokenID: "lp@pve!run", TokenSecret: testSecret}
	client := newTestClient(t, always(200, "OK", `{"data":null}`))
	asJSON, err := json.Marshal(struct {
		Config Secret
		Map    map[string]Secret
	}{testSecret, map[string]Secret{"a": testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	asText, err := Secret(testSecret).MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{
		"text":   string(asText),
		"String": Secret(testSecret).String(), "GoString": Secret(testSecret).GoString(), "JSON": string(asJSON),
		"config %+v": fmt.Sprintf("%+v", cfg), "config %#v": fmt.Sprintf("%#v", cfg),
		"client %+v": fmt.Sprintf("%+v", client), "client %#v": fmt.Sprintf("%#v", client),
	}
	for _, verb := range []string{"%v", "%s", "%q", "%x", "%X", "%d", "%+v", "%#v", "%T %[1]v"} {
		shown[verb] = fmt.Sprintf(verb, Secret(testSecret))
	}
	for how, text := range shown {
		if strings.Contains(text, testSecret) || strings.Contains(text, fmt.Sprintf("%x", testSecret)) {
			t.Errorf("%s shows the secret: %s", how, text)
		}
	}
}

// TestSecretIsNotLogged sends good and bad calls to a server that repeats our
// headers wherever it can, and looks for the secret in every log line and error.
func TestSecretIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 10, AddSource: true}))
	echo := &server{answer: func(n int, r sent) (*http.Response, error) {
		auth := r.header.Get("Authorization")
		switch n % 4 {
		case 0:
			return reply(500, "echo "+auth, `{"message":"`+auth+`","errors":{"x":"`+auth+`"}}`), nil
		case 1:
			return reply(401, auth, auth), nil
		case 2:
			return reply(200, "OK", "<html>"+auth), nil
		default:
			return nil, errors.New("connection reset")
		}
	}}
	c := newLoggedClient(t, echo, logger)
	ctx := t.Context()
	for range 4 {
		_, err := c.Stop(ctx, VMRef{"pve", 101})
		if err == nil {
			t.Fatal("no error")
		}
		logger.Error("failed", "error", err, "secret", Secret(testSecret))
		if text := fmt.Sprintf("%v %+v %#v", err, err, errors.Unwrap(err)); strings.Contains(text, testSecret) {
			t.Errorf("error shows the secret: %s", text)
		}
	}
	_, _, _ = c.SetVMConfig(ctx, VMRef{"pve", 101}, ConfigChange{Set: []Param{{"cipassword", "hunter2"}, {"sshkeys", "ssh-ed25519%20AAAA"}, {"cores", "2"}}})
	for _, private := range []string{testSecret, "hunter2", "AAAA"} {
		if strings.Contains(log.String(), private) {
			t.Errorf("log shows %q:\n%s", private, log.String())
		}
	}
	if !strings.Contains(log.String(), "cores=2") || !strings.Contains(log.String(), `"level":"DEBUG"`) {
		t.Errorf("log lacks the calls:\n%s", log.String())
	}
}
