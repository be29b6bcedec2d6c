package cloudimage_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"labctl/pkg/lab/cloudimage"
)

const (
	sumA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	sumB = "0000000000000000000000000000000000000000000000000000000000000001"
)

func TestParseSums(t *testing.T) {
	const name = "jammy-server-cloudimg-amd64.img"
	tests := map[string]struct{ text, want, problem string }{
		"binary mode":     {sumB + " *jammy-server-cloudimg-amd64.tar.gz\n" + sumA + " *" + name + "\n", sumA, ""},
		"text mode":       {sumA + "  " + name + "\n", sumA, ""},
		"upper case":      {strings.ToUpper(sumA) + " *" + name + "\r\n", sumA, ""},
		"twice the same":  {sumA + " *" + name + "\n" + sumA + " *" + name + "\n", sumA, ""},
		"two sums":        {sumA + " *" + name + "\n" + sumB + " *" + name + "\n", "", "two checksums"},
		"no sum":          {"abc *" + name + "\n", "", "no SHA-256"},
		"another name":    {sumA + " *jammy-server-cloudimg-arm64.img\n", "", "not listed"},
		"name as an end":  {sumA + " *old-" + name + "\n", "", "not listed"},
		"a page instead":  {"<html>Not here</html>", "", "not listed"},
		"nothing at all":  {"", "", "not listed"},
		"only a sum":      {sumA, "", "not listed"},
		"one blank alone": {sumA + " " + name, "", "not listed"},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			got, err := cloudimage.ParseSums([]byte(test.text), name)
			if got != test.want || (test.problem == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), test.problem)) {
				t.Errorf("%q, %v; want %q, %q", got, err, test.want, test.problem)
			}
		})
	}
}

func FuzzParseSums(f *testing.F) {
	f.Add([]byte(sumA+" *a\n"), "a")
	f.Add([]byte(sumA+"  a"), "")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		if sum, err := cloudimage.ParseSums(data, name); err == nil && !cloudimage.ValidSum(sum) {
			t.Errorf("%q is no checksum", sum)
		}
	})
}

func TestPublishedSum(t *testing.T) {
	publisher := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/jammy/current/SHA256SUMS" || r.URL.RawQuery != "" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(sumA + " *jammy.img\n"))
	}))
	defer publisher.Close()
	tests := map[string]struct{ url, want, problem string }{
		"listed":     {publisher.URL + "/jammy/current/jammy.img?x=1", sumA, ""},
		"not listed": {publisher.URL + "/jammy/current/noble.img", "", "not listed"},
		"no sums":    {publisher.URL + "/noble/noble.img", "", "404 Not Found"},
		"plain http": {"http://example.org/jammy.img", "", "only over https"},
		"no file":    {publisher.URL, "", "names no file"},
		"nobody":     {"https://127.0.0.1:1/jammy.img", "", "--sha256"},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			got, err := cloudimage.PublishedSum(t.Context(), publisher.Client(), test.url)
			if got != test.want || (test.problem == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), test.problem)) {
				t.Errorf("%q, %v; want %q, %q", got, err, test.want, test.problem)
			}
		})
	}
}

func TestSumAndExtension(t *testing.T) {
	sum, n, err := cloudimage.Sum(strings.NewReader("test"))
	if sum != sumA || n != 4 || err != nil {
		t.Errorf("%s, %d, %v", sum, n, err)
	}
	for head, want := range map[string]string{"QFI\xfb\x00\x00\x00\x03": "qcow2", "\xebc\x90": "raw", "": "raw"} {
		if got := cloudimage.Extension([]byte(head)); got != want {
			t.Errorf("%q: %s, want %s", head, got, want)
		}
	}
}
