//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"labctl/pkg/pve"
	"labctl/pkg/remote"
)

// client is the emulated server's API.
func (w *world) client() *pve.Client {
	w.Helper()
	info := w.sandbox()
	client, err := pve.New(pve.Config{URL: info.URL, TokenID: info.TokenID, TokenSecret: pve.Secret(info.TokenSecret), Fingerprint: info.Fingerprint})
	if err != nil {
		w.Fatal(err)
	}
	return client
}

// login logs in to a lab's virtual machine, with the host key that its agent tells.
func (w *world) login(lab string, vmid int, address netip.Addr) *remote.Host {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 2*time.Minute)
	defer cancel()
	line, err := w.client().AgentReadFile(ctx, pve.VMRef{Node: "pve", ID: pve.VMID(vmid)}, "/etc/ssh/ssh_host_ed25519_key.pub")
	if err != nil {
		w.Fatal(err)
	}
	keys, err := remote.ParsePinnedKeys(line)
	if err != nil {
		w.Fatal(err)
	}
	private, err := os.ReadFile(filepath.Join(w.sandboxDir(), "labs", lab, "id_ed25519"))
	if err != nil {
		w.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		w.Fatal(err)
	}
	host, err := remote.Connect(ctx, remote.Target{
		Name: lab, Address: netip.AddrPortFrom(address, 22).String(), User: "labctl", Signer: signer, HostKey: keys,
		Dialer: remote.ProxyDialer(w.sandbox().Gateway), Patience: time.Minute,
	})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = host.Close() })
	return host
}

// in runs a shell script in a guest and returns what it printed.
func (w *world) in(host *remote.Host, script string) string {
	w.Helper()
	output, err := host.Run(w.Context(), remote.Command{Script: script})
	if err != nil {
		w.Fatalf("%s: %v", script, err)
	}
	return strings.TrimSpace(string(output.Stdout))
}

// sshListens says whether a guest's SSH server greets through the gateway.
func (w *world) sshListens(address netip.Addr) bool {
	ctx, cancel := context.WithTimeout(w.Context(), 5*time.Second)
	defer cancel()
	conn, err := remote.ProxyDialer(w.sandbox().Gateway).DialContext(ctx, "tcp", netip.AddrPortFrom(address, 22).String())
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	greeting := make([]byte, 4)
	n, _ := conn.Read(greeting)
	return bytes.HasPrefix(greeting[:n], []byte("SSH-"))
}
