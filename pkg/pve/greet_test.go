package pve

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestGreet(t *testing.T) {
	for name, test := range map[string]struct {
		page string
		want Greeting
	}{
		"9":             {`<title>pve-a - Proxmox Virtual Environment</title><script src="/pve2/js/pvemanagerlib.js?ver=9.2.11"></script>`, Greeting{Node: "pve-a", Version: "9.2.11", Major: 9}},
		"8":             {`<title>x - Proxmox Virtual Environment</title> ... src="/pve2/js/pvemanagerlib.js?ver=8.4.21"`, Greeting{Node: "x", Version: "8.4.21", Major: 8}},
		"7":             {`<title>x - Proxmox Virtual Environment</title> ... src="/pve2/js/pvemanagerlib.js?ver=7.4-19"`, Greeting{Node: "x", Version: "7.4-19", Major: 7}},
		"other server":  {`<title>Cockpit</title>`, Greeting{}},
		"version alone": {`src="/pve2/js/pvemanagerlib.js?ver=9.0.3"`, Greeting{Version: "9.0.3", Major: 9}},
		"empty":         {``, Greeting{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" || r.Header.Get("Authorization") != "" {
					t.Errorf("asked for %s with %q", r.URL, r.Header)
				}
				_, _ = io.WriteString(w, test.page)
			}))
			s.StartTLS()
			defer s.Close()
			got, err := Greet(t.Context(), s.URL)
			if err != nil {
				t.Fatal(err)
			}
			if got.Fingerprint != fingerprintOf(s.Certificate().Raw) || got.URL != s.URL || got.Trusted || got.NotAfter.IsZero() {
				t.Errorf("got %+v", got)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(Greeting{}, "URL", "Fingerprint", "Subject", "NotAfter")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestGreetFails(t *testing.T) {
	var unreachable *UnreachableError
	if _, err := Greet(t.Context(), "https://127.0.0.1:1"); !errors.As(err, &unreachable) {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := Greet(t.Context(), "http://pve"); err == nil {
		t.Error("plain HTTP was taken")
	}
	plain := httptest.NewUnstartedServer(http.NotFoundHandler())
	plain.Config.ErrorLog = log.New(io.Discard, "", 0)
	plain.Start()
	defer plain.Close()
	if _, err := Greet(t.Context(), "https://"+plain.Listener.Addr().String()); !errors.As(err, &unreachable) {
		t.Errorf("no TLS: %v", err)
	}
}

// TestStorageConfigs reads all settings that labctl looks at; the keys are those of the schema (GET /storage).
func TestStorageConfigs(t *testing.T) {
	s := inTurn(data(`[{"storage":"zfs","type":"zfspool","content":"rootdir,images","sparse":1,"blocksize":"64k","nodes":"b,a","pool":"tank"},
		{"storage":"local","type":"dir","content":"iso","disable":"1"}]`))
	got, err := newTestClient(t, s).StorageConfigs(t.Context())
	want := []StorageConfig{
		{Name: "local", Type: "dir", Content: []string{"iso"}, Disabled: true},
		{Name: "zfs", Type: "zfspool", Content: []string{"images", "rootdir"}, Sparse: true, BlockSize: "64k", Nodes: []string{"b", "a"}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("error %v (-want +got)\n%s", err, diff)
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add([]byte(`<title>pve - Proxmox Virtual Environment</title> src="/pve2/js/pvemanagerlib.js?ver=9.2.11"`))
	f.Add([]byte(`/pvemanagerlib.js?ver=99999999999999999999999.1`))
	f.Fuzz(func(t *testing.T, page []byte) {
		var g Greeting
		g.readPage(page)
		if (g.Major == 0) != (g.Version == "") && g.Major != 0 || g.Major < 0 {
			t.Fatalf("%q: %+v", page, g)
		}
	})
}
