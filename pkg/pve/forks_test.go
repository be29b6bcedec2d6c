package pve

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"
	"testing"
)

// everyChange has each method of the client that changes something on the server.
func everyChange(task UPID) map[string]func(context.Context, *Client) error {
	started := func(begin func(context.Context, *Client) (UPID, error)) func(context.Context, *Client) error {
		return func(ctx context.Context, c *Client) error { _, err := begin(ctx, c); return err }
	}
	return map[string]func(context.Context, *Client) error{
		"Clone": started(func(ctx context.Context, c *Client) (UPID, error) {
			return c.Clone(ctx, CloneRequest{Source: VMRef{"pve", 9000}, NewID: 101})
		}),
		"CreateEmptyVM": started(func(ctx context.Context, c *Client) (UPID, error) {
			return c.CreateEmptyVM(ctx, EmptyVM{VMRef: vm101})
		}),
		"CreateVM": started(func(ctx context.Context, c *Client) (UPID, error) {
			return c.CreateVM(ctx, NewVM{EmptyVM: EmptyVM{VMRef: vm101}})
		}),
		"SetVMConfig": func(ctx context.Context, c *Client) error {
			_, _, err := c.SetVMConfig(ctx, vm101, ConfigChange{Set: []Param{{"cores", "2"}}})
			return err
		},
		"Resize": started(func(ctx context.Context, c *Client) (UPID, error) { return c.Resize(ctx, vm101, "scsi0", 1<<30) }),
		"Start":  started(func(ctx context.Context, c *Client) (UPID, error) { return c.Start(ctx, vm101) }),
		"Stop":   started(func(ctx context.Context, c *Client) (UPID, error) { return c.Stop(ctx, vm101) }),
		"Destroy": started(func(ctx context.Context, c *Client) (UPID, error) {
			return c.Destroy(ctx, vm101)
		}),
		"DestroyOnly":  started(func(ctx context.Context, c *Client) (UPID, error) { return c.DestroyOnly(ctx, vm101) }),
		"MakeTemplate": started(func(ctx context.Context, c *Client) (UPID, error) { return c.MakeTemplate(ctx, vm101) }),
		"Download": started(func(ctx context.Context, c *Client) (UPID, error) {
			return c.Download(ctx, "pve", "local", Download{URL: "https://example.org/a", Name: "a"})
		}),
		"Upload": started(func(ctx context.Context, c *Client) (UPID, error) {
			return c.Upload(ctx, "pve", "local", File{Name: "a.iso", Body: strings.NewReader("")})
		}),
		"DeleteVolume": started(func(ctx context.Context, c *Client) (UPID, error) {
			return c.DeleteVolume(ctx, "pve", "zfs:vm-101-disk-0")
		}),
		"AbortTask": func(ctx context.Context, c *Client) error { return c.AbortTask(ctx, task) },
	}
}

// TestWorkerNotStarted asks for every change whose worker does not start. Only the creation of a VM has changed something by then.
func TestWorkerNotStarted(t *testing.T) {
	used := map[int]bool{}
	for name, send := range everyChange(mustUPID(t, upidStop)) {
		for _, text := range []string{
			"got no worker upid - start worker failed\n", "got strange worker upid ('' != 'UPID:…') - start worker failed\n",
			"starting worker failed: unable to redirect STDIN - x\n", "unable to fork worker - Cannot allocate memory at …",
		} {
			s := &server{answer: func(int, sent) (*http.Response, error) { return reply(500, text, ""), nil }}
			err := send(t.Context(), newTestClient(t, s))
			want := "Transient"
			switch name {
			case "CreateEmptyVM", "CreateVM":
				want = "HalfCreated OutcomeUnknown"
			case "AbortTask":
				want = "OutcomeUnknown" // it starts no worker: the text is not PVE's
			}
			if got := kindsOf(err); got != want || len(s.requests()) != 1 {
				t.Errorf("%s: %q is %q, want %q (%d requests)", name, text, got, want, len(s.requests()))
			}
			for i, row := range forks {
				if is, err := path.Match(row.path, s.requests()[0].Path); is && err == nil && row.method == s.requests()[0].Method {
					used[i] = true
				}
			}
		}
	}
	for i, row := range forks {
		if !used[i] {
			t.Errorf("nothing sends %s %s", row.method, row.path)
		}
		if !strings.Contains(row.source, "8.4: ") || !strings.Contains(row.source, "9.2: ") {
			t.Errorf("%s %s does not say where PVE forks: %q", row.method, row.path, row.source)
		}
	}
}

// TestHalfCreatedIsNotSentAgain: the error says who can remove what is left, and is no invitation to try again.
func TestHalfCreatedIsNotSentAgain(t *testing.T) {
	if errors.Is(ErrHalfCreated, ErrTransient) || !errors.Is(ErrHalfCreated, ErrOutcomeUnknown) {
		t.Error("a half created VM would be made again")
	}
}
