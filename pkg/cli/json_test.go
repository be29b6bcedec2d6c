package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/internal/ui"
	"labctl/pkg/lab/change"
	"labctl/pkg/pve"
)

// What is left over is found in every part of an error, and told apart from the text.
func TestErrorDocument(t *testing.T) {
	left := &change.LeftoverError{VM: "one", Ref: pve.VMRef{Node: "pve", ID: 9300}, Volumes: []pve.Volume{{ID: "zfs:vm-9300-disk-0"}}}
	failed := fmt.Errorf("removing: %w", errors.Join(errors.New("no answer"), left, &stillUpError{lab: "demo", named: []string{"VM two (9301 on node pve)"}, err: errors.New("x")}))
	for name, printed := range map[string]string{"nothing printed": "", "a document printed": "{\n  \"schema_version\": 1,\n  \"lab\": \"demo\"\n}\n"} {
		var out bytes.Buffer
		a := newApp(ui.IO{Out: &out, Err: &bytes.Buffer{}}, []string{"--output", "json", "down"})
		a.document.WriteString(printed)
		if err := a.printDocument(t.Context(), failed); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Version int     `json:"schema_version"`
			Lab     string  `json:"lab"`
			Error   failure `json:"error"`
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v in %s", name, err, &out)
		}
		if got.Version != 1 || (got.Lab != "") != (printed != "") || got.Error.ExitCode != exitLeftover {
			t.Errorf("%s: %s", name, &out)
		}
		want := []leftOver{
			{Text: left.Error(), VM: "one", VMID: 9300, Node: "pve", Volumes: []string{"zfs:vm-9300-disk-0"}}, {Text: "VM two (9301 on node pve)"},
		}
		if diff := cmp.Diff(want, got.Error.Left); diff != "" {
			t.Errorf("%s: left (-want +got):\n%s", name, diff)
		}
	}
}
