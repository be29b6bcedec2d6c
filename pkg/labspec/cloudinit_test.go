package labspec

import (
	"strings"
	"testing"
)

func TestCloudInit(t *testing.T) {
	base := read(t, "testdata/base.yaml")
	tests := map[string]struct{ text, want string }{
		"native":            {"", ""},
		"said":              {"cloudInit: {mode: native}", ""},
		"snippet":           {"cloudInit: {mode: snippet, snippet: \"local:snippets/labctl.yaml\"}", ""},
		"iso":               {"cloudInit: {mode: iso, storage: local}", ""},
		"no snippet":        {"cloudInit: {mode: snippet}", "cloudInit.mode: mode snippet needs snippet: write STORAGE:snippets/FILE"},
		"no storage":        {"cloudInit: {mode: iso}", "cloudInit.mode: mode iso needs storage: write the ID of a storage with the content iso"},
		"a snippet for ISO": {"cloudInit: {mode: iso, storage: local, snippet: \"a1:snippets/b\"}", "cloudInit.snippet: has no meaning with mode iso: remove it, or write mode: snippet"},
		"a storage alone":   {"cloudInit: {storage: local}", "cloudInit.storage: has no meaning with mode native: remove it, or write mode: iso"},
		"a path":            {"cloudInit: {mode: snippet, snippet: /var/lib/vz/snippets/a.yaml}", "cloudInit.snippet: \"/var/lib/vz/snippets/a.yaml\" is not the volume ID of a snippet: write STORAGE:snippets/FILE"},
		"options":           {"cloudInit: {mode: snippet, snippet: \"local:snippets/a,user=x\"}", "is not the volume ID of a snippet"},
		"a mode":            {"cloudInit: {mode: nocloud}", "cloudInit.mode: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("lab.yaml", []byte(base+"\n"+test.text+"\n"))
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
