package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"labctl/pkg/remote"
)

// factFioCopy is where labctl put a fio on a target, for as long as it is there.
const factFioCopy = "fio_copy"

// envFio tells the script that gathers facts which fio is used (cloudinit/facts.sh).
const envFio = "LABCTL_FIO="

// largestFio bounds the binary in bytes: a static fio has a few MiB.
const largestFio = 64 << 20

// fioBinary is the fio that every target is to use: one for all, so that nobody compares two versions of it.
type fioBinary struct {
	content []byte
	sha256  string // in hex
}

// fioBinary reads the configured binary; nil means the targets' own.
func (a *app) fioBinary() (*fioBinary, error) {
	path := a.config.GetString(keyFioBinary)
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > largestFio) {
		err = fmt.Errorf("%s is no file of at most %d MiB", path, largestFio>>20)
	}
	if err != nil {
		return nil, usagef("%s: %w", keyFioBinary, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("%s: %w", keyFioBinary, err)
	}
	sum := sha256.Sum256(content)
	return &fioBinary{content: content, sha256: hex.EncodeToString(sum[:])}, nil
}

// findFio says where the copy belongs, and whether it is there already.
const findFio = `set -eu
mkdir -p .labctl
path=$PWD/.labctl/fio-$1
echo "$path"
[ ! -x "$path" ] || sha256sum "$path" | cut -d ' ' -f 1`

// place copies the binary to a target, unless it is there, and returns its path. It is noted before it is made, so that a
// killed bench leaves none on the host.
func (f *fioBinary) place(ctx context.Context, host *remote.Host, note func(path string) error) (string, error) {
	out, err := host.Run(ctx, remote.Command{Argv: []string{"sh", "-c", findFio, "labctl", f.sha256[:12]}})
	if err != nil {
		return "", fmt.Errorf("looking for a copy of fio: %w", err)
	}
	lines := strings.Fields(string(out.Stdout))
	if len(lines) == 0 || len(lines) > 2 {
		return "", fmt.Errorf("looking for a copy of fio: %q is no path", out.Stdout)
	}
	if err := note(lines[0]); err != nil || (len(lines) == 2 && lines[1] == f.sha256) {
		return lines[0], err
	}
	return lines[0], host.WriteFile(ctx, lines[0], 0o755, f.content)
}

// placeFio gives the machine the configured fio, if there is one.
func (r *labRun) placeFio(ctx context.Context, m *machine) error {
	if r.fio == nil {
		return nil
	}
	path, err := r.fio.place(ctx, m.host, func(path string) error {
		return r.Journal.Learn(m.name, map[string]string{factFioCopy: path})
	})
	m.fio = path
	if err != nil {
		return fmt.Errorf("giving %s the fio of %s: %w", m.name, keyFioBinary, err)
	}
	return nil
}

// fioCopyTime bounds the removal of the copy.
const fioCopyTime = 30 * time.Second

// removeFioCopy removes the copy from the PVE host; those in the VMs go with the VMs.
func (r *labRun) removeFioCopy(ctx context.Context, host *remote.Host) error {
	name := r.Lab.Host.Name
	path := r.Journal.State().Fact(name, factFioCopy)
	if path == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fioCopyTime)
	defer cancel()
	if _, err := host.Run(ctx, remote.Command{Argv: []string{"rm", "-f", "--", path}}); err != nil {
		return fmt.Errorf("removing %s from %s: %w", path, name, err)
	}
	return r.Journal.Learn(name, map[string]string{factFioCopy: ""})
}

// endFio removes the copy from the host after a bench.
func (r *labRun) endFio(ctx context.Context, machines machines) {
	for _, machine := range machines {
		if machine.isVM || machine.host == nil {
			continue
		}
		if err := r.removeFioCopy(ctx, machine.host); err != nil {
			r.app.progress().Line("%v", err)
		}
	}
}

// fioParity says where targets measure with different fios, by version and by what the binary hashes to. Differences
// between such targets may be fio's.
func fioParity(machines []*machine) []string {
	groups := map[string][]string{}
	var order []string
	for _, machine := range machines {
		version, sum := machine.facts[factFio], machine.facts[factFioSHA256]
		what := version
		if len(sum) >= 12 {
			what += " (sha256 " + sum[:12] + "…)"
		}
		if !slices.Contains(order, what) {
			order = append(order, what)
		}
		groups[what] = append(groups[what], machine.name)
	}
	if len(order) < 2 {
		return nil
	}
	parts := make([]string, len(order))
	for i, what := range order {
		parts[i] = strings.Join(groups[what], ", ") + ": " + what
	}
	return []string{"The targets measure with different fios, which may explain differences between them: " + strings.Join(parts, "; ") +
		". Give all of them one static binary with " + keyFioBinary + "."}
}
