package inventory_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/lab/inventory"
)

func TestTemplateNote(t *testing.T) {
	note := inventory.TemplateNote{
		ImageSHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", ImageURL: "https://example.org/jammy.img",
		ImageName: "jammy.img", Version: "v1", Built: time.Date(2026, 11, 25, 22, 0, 0, 0, time.UTC),
	}
	got, ok := inventory.ParseTemplateNote(note.Description())
	if diff := cmp.Diff(note, got); !ok || diff != "" {
		t.Errorf("the note does not come back (-want +got)\n%s", diff)
	}
	if _, ok := inventory.ParseMark(note.Description()); ok {
		t.Error("a finished template's note is taken for an owner mark, by which it would be removed")
	}
	mark := inventory.Mark{Lab: "blog", Run: "1", Owner: "me@here"}
	if _, ok := inventory.ParseTemplateNote(mark.Description()); ok {
		t.Error("an owner mark is taken for a template's note")
	}
	for _, text := range []string{"", "{\"labctl_template\":1}", "{\"labctl_template\":2,\"image_sha256\":\"ab\"}", "{\"labctl_template\":"} {
		if _, ok := inventory.ParseTemplateNote(text); ok {
			t.Errorf("%q is taken for a note", text)
		}
	}
}
