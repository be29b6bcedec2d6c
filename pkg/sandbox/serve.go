package sandbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"time"

	"labctl/pkg/pvesim"
	"labctl/pkg/pvesim/gateway"
	"labctl/pkg/pvesim/guesthost"
	"labctl/pkg/pvesim/guestimage"
	"labctl/pkg/remote"
)

// Options say what a sandbox is like.
type Options struct {
	Dir    string // everything it keeps; one sandbox per directory
	Listen string // address of the API, on loopback
	Major  int    // Proxmox VE 8 or 9
	Nodes  int    // 1, or 3 for a cluster whose storages are local to each node; 0 is 1
	// Realistic makes tasks take as long as on a small server; otherwise they take tenths of a second.
	Realistic bool
	// Foreground is told to whoever finds the sandbox: it is not theirs to end with the last lab.
	Foreground bool
	// Adjust changes the emulated cluster before it starts, such as by a fault plan; it may be nil.
	Adjust []pvesim.Option
	Logger *slog.Logger
	// Image makes VMs real virtual machines with this operating system, with KVM if that works; nil: they are processes of
	// this machine.
	Image *guestimage.Image
}

// hostAddress is the node's address in the guests' network; the guests' own addresses come from the lab specs.
const hostAddress = "10.10.10.1"

// clusterNodes is how many nodes the emulated cluster has.
const clusterNodes = 3

// hostDirectory is where labs measure on the node.
const hostDirectory = "/tank/labctl"

// Serve runs a sandbox until ctx ends, and calls ready once it can be reached. When it returns, every process of
// every guest has ended.
func Serve(ctx context.Context, options Options, ready func(Info) error) error {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	lock, err := takeLock(ctx, options.Dir)
	if errors.Is(err, errRunning) {
		return fmt.Errorf("a sandbox is already running for %s: `labctl sandbox status` shows it", options.Dir)
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	// An earlier sandbox's address must not be taken for this one's while this one starts, nor this one's when it ends.
	if err := removeFile(infoPath(options.Dir)); err != nil {
		return err
	}
	guests, err := newGuests(ctx, options)
	if err != nil {
		return err
	}
	serveErr := serve(ctx, options, guests, ready)
	return errors.Join(serveErr, removeFile(infoPath(options.Dir)), guests.close(), removeFile(keyPath(options.Dir)))
}

func serve(ctx context.Context, options Options, guests *guests, ready func(Info) error) error {
	secret := newSecret()
	topology := pvesim.SandboxTopology(options.Major)
	if options.Nodes == clusterNodes {
		topology = pvesim.ClusterTopology(options.Major)
	}
	if options.Realistic {
		topology.Timings = pvesim.Realistic()
	}
	for i := range topology.Users {
		if topology.Users[i].Password != "" {
			topology.Users[i].Password = newSecret()
		}
		for j := range topology.Users[i].Tokens {
			topology.Users[i].Tokens[j].Secret = secret
		}
	}
	guests.fit(&topology)
	if err := addSnippets(options.Dir, &topology); err != nil {
		return err
	}
	cluster, err := pvesim.New(topology, append([]pvesim.Option{pvesim.WithGuests(guests.all)}, options.Adjust...)...)
	if err != nil {
		return err
	}
	host, err := addHost(options.Dir, guests.host)
	if err != nil {
		return err
	}
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	api, err := listen(ctx, options.Listen)
	if err != nil {
		return err
	}
	defer api.Close()
	way, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer way.Close()
	self, err := thisProcess()
	if err != nil {
		return err
	}
	info := Info{
		PID: self.pid, Started: self.started, Major: options.Major, URL: "https://" + api.Addr().String(), Fingerprint: pvesim.Fingerprint(certificate),
		TokenID: pvesim.SandboxTokenID, TokenSecret: secret, Gateway: way.Addr().String(), Host: host,
		Foreground: options.Foreground,
	}
	guests.describe(&info)
	if err := errors.Join(info.write(options.Dir), ready(info)); err != nil {
		return err
	}
	err = runAll(ctx,
		func(ctx context.Context) error { return cluster.Serve(ctx, api, certificate) },
		func(ctx context.Context) error { return gateway.Serve(ctx, way, guests.routes...) })
	if wrong := pvesim.CheckRequests(cluster.Requests()); wrong != nil {
		options.Logger.Error("requests were not valid against the API schemas of PVE 8 and 9", "error", wrong)
	}
	return err
}

// runAll runs the servers until ctx ends or one of them fails.
func runAll(ctx context.Context, servers ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error)
	for _, server := range servers {
		go func() { ended <- server(ctx) }()
	}
	var all error
	for range servers {
		all = errors.Join(all, <-ended)
		cancel()
	}
	return all
}

// listen opens a listener on loopback only: what runs behind it executes commands on this machine.
func listen(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("listening on %s: the sandbox listens on loopback only: use 127.0.0.1:PORT", address)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return listener, nil
}

// addHost makes the node a target that a fresh key may log in to.
func addHost(dir string, machines *guesthost.Machines) (Host, error) {
	private, public, err := remote.GenerateKey()
	if err != nil {
		return Host{}, err
	}
	if err := os.WriteFile(keyPath(dir), private, 0o600); err != nil {
		return Host{}, fmt.Errorf("writing the sandbox's SSH key: %w", err)
	}
	node, err := machines.AddHost(guesthost.HostSpec{
		Name: pvesim.SandboxNode, Address: netip.MustParseAddr(hostAddress), User: "root",
		AuthorizedKeys: []string{public}, Directory: hostDirectory,
	})
	if err != nil {
		return Host{}, err
	}
	return Host{
		Name: pvesim.SandboxNode, Address: net.JoinHostPort(hostAddress, "22"), User: "root",
		HostKey: node.HostKey(), KeyFile: keyPath(dir), Directory: hostDirectory,
	}, nil
}

// newSecret returns a random UUID, which is what PVE's token secrets look like.
func newSecret() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	text := hex.EncodeToString(raw)
	return fmt.Sprintf("%s-%s-%s-%s-%s", text[:8], text[8:12], text[12:16], text[16:20], text[20:])
}

// selfSigned makes a certificate for this process, as every Proxmox node has one of its own.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the sandbox's certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "labctl sandbox"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, DNSNames: []string{"localhost"},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the sandbox's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, nil
}
