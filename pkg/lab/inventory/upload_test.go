package inventory

import (
	"testing"

	"pgregory.net/rapid"
)

func TestUploadNameTellsWhoseItIs(t *testing.T) {
	name := UploadName{Lab: "blog-2", Run: "20261125T213000Z-00ff", For: "2gb", Owner: "me@here", Ext: "iso"}
	parsed, ok := ParseUploadName("local:iso/" + name.FileName())
	if !ok || parsed.Lab != "blog-2" || parsed.Run != name.Run || parsed.For != "2gb" || parsed.Ext != "iso" {
		t.Fatalf("%s is parsed as %+v, %v", name.FileName(), parsed, ok)
	}
	if !parsed.SameOwner("me@here") || parsed.SameOwner("you@here") {
		t.Error("the owner is not told apart")
	}
}

func TestOtherFilesAreNobodysUploads(t *testing.T) {
	for _, volume := range []string{
		"", "local:iso/ubuntu-22.04.iso", "local:iso/labctl-seed.iso",
		"local:iso/my-labctl-blog-20261125T213000Z-00ff-2gb-0123abcd.iso",
		"local:iso/labctl-blog-20261125T213000Z-00ff-2gb-0123abcd.iso.bak.tmp ",
		"local:iso/labctl-blog-20261125T213000-2gb-0123abcd.iso",
		"local:iso/labctl-BLOG-20261125T213000Z-00ff-2gb-0123abcd.iso",
	} {
		if name, ok := ParseUploadName(volume); ok {
			t.Errorf("%q is taken for an upload of ours: %+v", volume, name)
		}
	}
}

func TestUploadNamesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?`)
		name := UploadName{
			Lab: word.Draw(t, "lab"), For: word.Draw(t, "for"), Owner: rapid.String().Draw(t, "owner"), Ext: "qcow2",
			Run: rapid.StringMatching(`\d{8}T\d{6}Z-[0-9a-f]{4}`).Draw(t, "run"),
		}
		parsed, ok := ParseUploadName("import:import/" + name.FileName())
		if !ok || !parsed.SameOwner(name.Owner) || parsed.Run == "" || parsed.Ext != "qcow2" {
			t.Fatalf("%s is parsed as %+v, %v", name.FileName(), parsed, ok)
		}
	})
}
