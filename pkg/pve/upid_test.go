package pve

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseUPID(t *testing.T) {
	clone := UPID{Node: "pve", Type: "qmclone", ID: "9000", User: "lp@pve!run", StartTime: time.Unix(0x6B02D92A, 0).UTC()}
	tests := map[string]UPID{
		"UPID:pve:0000016C:000B72C4:6B02D92A:qmclone:9000:lp@pve!run:":         clone,
		"UPID:pve:0000016c:1000B72C4:6b02d92a:qmclone:9000:lp@pve!run:":        clone, // booted over 497 days ago
		"UPID:pve-2:0000016C:000B72C4:6B02D92A:srvreload:networking:root@pam:": {Node: "pve-2", Type: "srvreload", ID: "networking", User: "root@pam", StartTime: clone.StartTime},
		"UPID:p:0000016C:000B72C4:6B02D92A:aptupdate::root@pam:":               {Node: "p", Type: "aptupdate", User: "root@pam", StartTime: clone.StartTime},
	}
	for text, want := range tests {
		got, err := ParseUPID(text)
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(UPID{})); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
		if got.String() != text || got.IsZero() {
			t.Errorf("String() = %q, want %q", got, text)
		}
	}
}

func TestParseUPIDRefuses(t *testing.T) {
	for _, text := range []string{
		"", "UPID", "null",
		"UPID:pve:0000016C:000B72C4:6B02D92A:qmclone:9000:lp@pve!run",    // no colon at the end
		"UPID:pve:0000016C:000B72C4:6B02D92A:qmclone:9000:lp@pve!run:\n", // more than a UPID
		"UPID:pve:16C:000B72C4:6B02D92A:qmclone:9000:lp@pve!run:",
		"UPID:pve:0000016C:000B72C4:6B02D92A::9000:lp@pve!run:",
		"UPID:../..:0000016C:000B72C4:6B02D92A:qmclone:9000:lp@pve!run:",
		"UPID:-:0000016C:000B72C4:6B02D92A:qmclone:9000:lp@pve!run:",
	} {
		if got, err := ParseUPID(text); err == nil {
			t.Errorf("ParseUPID(%q) = %+v", text, got)
		}
	}
}

func TestUPIDInJSON(t *testing.T) {
	type record struct{ Task, None UPID }
	in := record{Task: mustUPID(t, upidStop)}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `{"Task":"`+upidStop+`","None":""}` {
		t.Fatalf("%s, %v", text, err)
	}
	var out record
	if err := json.Unmarshal(text, &out); err != nil || out != in || !out.None.IsZero() {
		t.Errorf("%+v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"Task":"x"}`), &out); err == nil {
		t.Error("nonsense was taken")
	}
}

func FuzzParseUPID(f *testing.F) {
	f.Add("UPID:pve:0000016C:000B72C4:6B02D92A:qmclone:9000:lp@pve!run:")
	f.Add("UPID:pve:0000016C:000B72C4:FFFFFFFF:aptupdate::root@pam:")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseUPID(s)
		if err != nil {
			return
		}
		if u.String() != s {
			t.Errorf("String() = %q, want %q", u, s)
		}
		if p := u.path("/status"); strings.Count(p, "/") != 5 || strings.Contains(p, "?") {
			t.Errorf("%q makes the path %q", s, p)
		}
	})
}
