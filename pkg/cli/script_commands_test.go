package cli

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"labctl/pkg/pve"
	"labctl/pkg/sandbox"
)

// scriptSandbox is the sandbox of the script.
func scriptSandbox(ts *testscript.TestScript) sandbox.Info {
	info, err := sandbox.Find(filepath.Join(ts.Getenv("XDG_STATE_HOME"), "labctl", "sandbox-host"))
	ts.Check(err)
	return info
}

// serverConfig is the script command "serverconfig FILE [KEY=VALUE...]": it writes a configuration that reaches the
// script's sandbox as if it were a real server, with changes.
func serverConfig(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) == 0 {
		ts.Fatalf("usage: serverconfig FILE [KEY=VALUE...]")
	}
	info := scriptSandbox(ts)
	values := map[string]string{
		"url": info.URL, "fingerprint": info.Fingerprint, "token_id": info.TokenID, "token_secret": info.TokenSecret,
	}
	for _, change := range args[1:] {
		key, value, _ := strings.Cut(change, "=")
		values[key] = value
	}
	text := "pve:\n"
	for key, value := range values {
		text += fmt.Sprintf("  %s: %q\n", key, value)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// stopVM is the script command "stopvm VMID": it stops a VM of the script's sandbox as an operator would.
func stopVM(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) != 1 {
		ts.Fatalf("usage: stopvm VMID")
	}
	id, err := strconv.Atoi(args[0])
	ts.Check(err)
	info := scriptSandbox(ts)
	client, err := pve.New(pve.Config{URL: info.URL, TokenID: info.TokenID, TokenSecret: pve.Secret(info.TokenSecret), Fingerprint: info.Fingerprint})
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	task, err := client.Stop(ctx, pve.VMRef{Node: "pve", ID: pve.VMID(id)})
	ts.Check(err)
	_, err = client.Wait(ctx, task, nil)
	ts.Check(err)
}

// awaitFile is the script command "awaitfile FILE": it waits until a file exists.
func awaitFile(ts *testscript.TestScript, negated bool, args []string) {
	if negated || len(args) != 1 {
		ts.Fatalf("usage: awaitfile FILE")
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for range 3000 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		<-ticker.C
	}
	ts.Fatalf("%s did not appear", args[0])
}

// rememberSecret is the script command "rememberSecret": it keeps the sandbox's token secret in $SECRET.
func rememberSecret(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Setenv("SECRET", scriptSandbox(ts).TokenSecret)
}

// noSecret is the script command "nosecret": no file of the script holds $SECRET but those that exist to hold it.
func noSecret(ts *testscript.TestScript, _ bool, _ []string) {
	secret := ts.Getenv("SECRET")
	if len(secret) < 20 {
		ts.Fatalf("there is no secret to look for")
	}
	files := 0
	err := filepath.WalkDir(ts.Getenv("WORK"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || entry.Name() == "sandbox.json" || entry.Name() == "good.yaml" || entry.Name() == "moved.yaml" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if strings.Contains(string(data), secret) {
			return fmt.Errorf("%s holds the token's secret", path)
		}
		return nil
	})
	ts.Check(err)
	ts.Logf("%d files looked through", files)
}

// documented is the script command "documented PAGE FILE": it writes the YAML example of a page of the repository to a file.
func documented(ts *testscript.TestScript, _ bool, args []string) {
	page, err := os.ReadFile(filepath.Join(ts.Getenv("REPOSITORY"), args[0]))
	ts.Check(err)
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		ts.Fatalf("%s has no YAML example", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(example), 0o600))
}

// damage is the script command "damage JOURNAL": it makes the third line unreadable.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	lines := strings.SplitAfter(string(data), "\n")
	lines[2] = "\x00" + lines[2][1:]
	ts.Check(os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600))
}
