package labrun_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"labctl/pkg/lab/change"
	"labctl/pkg/pvesim"
)

// operator is root on the server, who types what labctl printed, word for word.
type operator struct {
	transport    http.RoundTripper
	ticket, csrf string
}

func newOperator(ctx context.Context, cluster *pvesim.Cluster) (*operator, error) {
	o := &operator{transport: cluster.Transport()}
	var login struct {
		Ticket string `json:"ticket"`
		CSRF   string `json:"CSRFPreventionToken"`
	}
	form := url.Values{"username": {"root@pam"}, "password": {pvesim.SandboxTokenSecret}}
	if err := o.call(ctx, http.MethodPost, "/access/ticket", form, &login); err != nil {
		return nil, err
	}
	o.ticket, o.csrf = login.Ticket, login.CSRF
	return o, nil
}

func (o *operator) call(ctx context.Context, method, path string, params url.Values, into any) error {
	target := "https://pve.invalid:8006/api2/json" + path
	var body io.Reader
	if method == http.MethodDelete || method == http.MethodGet {
		target += "?" + params.Encode()
	} else {
		body = strings.NewReader(params.Encode())
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if o.ticket != "" {
		request.Header.Set("Cookie", "PVEAuthCookie="+url.QueryEscape(o.ticket))
		request.Header.Set("CSRFPreventionToken", o.csrf)
	}
	response, err := o.transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	return json.Unmarshal(data, &struct {
		Data any `json:"data"`
	}{into})
}

// do makes a call and waits for its task, if it is one.
func (o *operator) do(ctx context.Context, node, method, path string, params url.Values) error {
	var upid any
	if err := o.call(ctx, method, path, params, &upid); err != nil {
		return err
	}
	task, ok := upid.(string)
	for ok {
		var status struct {
			Status     string `json:"status"`
			ExitStatus string `json:"exitstatus"`
		}
		if err := o.call(ctx, http.MethodGet, "/nodes/"+node+"/tasks/"+url.PathEscape(task)+"/status", nil, &status); err != nil {
			return err
		}
		if status.Status == "stopped" {
			if status.ExitStatus != "OK" && !strings.HasPrefix(status.ExitStatus, "WARNINGS") {
				return errors.New(status.ExitStatus)
			}
			return nil
		}
		<-time.After(time.Second)
	}
	return nil
}

// obey runs the commands that an error of labctl advises. Commands joined by ";" go on after a failure, as in a shell; only
// the last one's counts, and what need not be there may fail.
func (o *operator) obey(ctx context.Context, left *change.LeftoverError) error {
	for _, line := range left.Commands() {
		line, note, _ := strings.Cut(line, "#")
		var last error
		for command := range strings.SplitSeq(line, ";") {
			last = o.run(ctx, left.Ref.Node, strings.Fields(command))
		}
		if last != nil && !strings.Contains(note, "if it is still there") {
			return fmt.Errorf("%s: %w", line, last)
		}
	}
	return nil
}

// run runs one command of qm(1) or pvesm(1).
func (o *operator) run(ctx context.Context, node string, words []string) error {
	if len(words) < 3 {
		return fmt.Errorf("no command for an operator: %q", words)
	}
	vm := "/nodes/" + node + "/qemu/" + words[2]
	switch words[0] + " " + words[1] {
	case "qm config", "pvesm list":
		return nil // the operator looks
	case "qm unlock":
		return o.do(ctx, node, http.MethodPut, vm+"/config", url.Values{"delete": {"lock"}, "skiplock": {"1"}})
	case "qm stop":
		return o.do(ctx, node, http.MethodPost, vm+"/status/stop", nil)
	case "qm set":
		return o.do(ctx, node, http.MethodPut, vm+"/config", flags(words[3:]))
	case "qm destroy":
		return o.do(ctx, node, http.MethodDelete, vm, flags(words[3:]))
	case "pvesm free":
		storage, _, _ := strings.Cut(words[2], ":")
		return o.do(ctx, node, http.MethodDelete, "/nodes/"+node+"/storage/"+storage+"/content/"+url.PathEscape(words[2]), nil)
	}
	return fmt.Errorf("no command for an operator: %q", words)
}

// flags turns "--purge 1" into parameters.
func flags(words []string) url.Values {
	values := url.Values{}
	for i := 0; i+1 < len(words); i += 2 {
		values.Set(strings.TrimPrefix(words[i], "--"), words[i+1])
	}
	return values
}

// leftoversIn are all the leftovers that an error speaks of.
func leftoversIn(err error) []*change.LeftoverError {
	var left *change.LeftoverError
	switch joined, ok := err.(interface{ Unwrap() []error }); { //nolint:errorlint // the parts are wanted
	case err == nil:
		return nil
	case ok:
		var all []*change.LeftoverError
		for _, part := range joined.Unwrap() {
			all = append(all, leftoversIn(part)...)
		}
		return all
	case errors.As(err, &left):
		return []*change.LeftoverError{left}
	}
	return nil
}
