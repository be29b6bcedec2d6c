package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const eight = `[
{"http":"GET","path":"/version","allowtoken":1,"parameters":{"additionalProperties":0},"permissions":{"user":"all"},"returns":{"type":"object"}},
{"http":"PUT","path":"/nodes/{node}/qemu/{vmid}/resize","allowtoken":1,"protected":1,"proxyto":"node",
 "parameters":{"additionalProperties":0,"properties":{
  "disk":{"type":"string","description":"The disk.","enum":["scsi0"]},
  "size":{"type":"integer","minimum":"1","default":4,"optional":1},
  "more":{"type":"integer","minimum":1,"optional":1}}},
 "permissions":{"check":["perm","/vms/{vmid}",["VM.Config.Disk"]]}},
{"http":"GET","path":"/nodes/{node}/qemu/{vmid}/firewall","parameters":{}}
]`

const nine = `[{"http":"POST","path":"/access/ticket","allowtoken":0,"parameters":{},"permissions":{"user":"world"}}]`

func TestRun(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	out := filepath.Join(folder, "out.json")
	if err := run(out, write("8.json", eight), write("9.json", nine)); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"properties":[
{"enum":["scsi0"],"type":"string"},
{"minimum":1,"optional":1,"type":"integer"}
],
"8":[
{"http":"GET","path":"/version","user":"all"},
{"http":"PUT","path":"/nodes/{node}/qemu/{vmid}/resize","protected":true,"proxyto":"node","check":["perm","/vms/{vmid}",["VM.Config.Disk"]],"params":{"disk":0,"more":1,"size":1}}
],
"9":[
{"http":"POST","path":"/access/ticket","notoken":true,"open":true,"user":"world"}
]}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"bad.json", "bad.json.gz"} {
		if err := run(out, write(name, "{"), write("9.json", nine)); err == nil {
			t.Errorf("a broken %s was taken", name)
		}
	}
}

// TestUpToDate checks that the committed schema is what the generator makes of the published one.
func TestUpToDate(t *testing.T) {
	schemas := filepath.Join("..", "..", "..", "..", "testdata", "pve-api")
	out := filepath.Join(t.TempDir(), "schema.json")
	if err := run(out, filepath.Join(schemas, "schema-8.4.json.gz"), filepath.Join(schemas, "schema-9.2.json.gz")); err != nil {
		t.Fatal(err)
	}
	var files [2][]byte
	for i, name := range []string{out, filepath.Join("..", "..", "zz_schema.json")} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = raw
	}
	if string(files[0]) != string(files[1]) {
		t.Error("zz_schema.json is not what the generator makes: run go generate")
	}
}
