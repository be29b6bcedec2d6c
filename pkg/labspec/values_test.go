package labspec

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestSizeIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]Size{KiB, MiB, GiB, TiB}).Draw(t, "unit")
		size := Size(rapid.Int64Range(1, int64(maxSize/unit)).Draw(t, "count")) * unit
		back, err := ParseSize(size.String())
		if err != nil || back != size {
			t.Fatalf("%d became %q, then %d (%v)", size, size, back, err)
		}
		if n, exact := size.GiB(); exact != (Size(n)*GiB == size) {
			t.Fatalf("%s in GiB: %d, exact %t", size, n, exact)
		}
	})
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]Size{
		"64GiB": 64 << 30, "32G": 32 << 30, "512MiB": 512 << 20, "512M": 512 << 20, "1 TiB": 1 << 40, "0K": 0, "1024TiB": 1 << 50,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "64", "GiB", "-1GiB", "1.5GiB", "64gib", "64GB", "1025TiB", "9223372036854775807TiB", "64  GiB", "64GiB "} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %s, want an error", text, got)
		}
	}
	for size, want := range map[Size]string{0: "0B", 1000: "1000B", 1536 * MiB: "1536MiB", 64 * GiB: "64GiB", 3 * KiB: "3KiB"} {
		if got := size.String(); got != want {
			t.Errorf("Size(%d).String() = %q, want %q", int64(size), got, want)
		}
	}
	if got := (1536 * MiB).MiB(); got != 1536 {
		t.Errorf("1536MiB has %d MiB", got)
	}
}

func TestAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		octet := func(name string, from int) byte { return byte(rapid.IntRange(from, 255).Draw(t, name)) }
		first := [4]byte{octet("a", 0), octet("b", 0), octet("c", 0), octet("d", 0)}
		last := first
		last[3] = octet("last", int(first[3]))
		p := AddressPattern{netip.AddrFrom4(first), netip.AddrFrom4(last), rapid.IntRange(8, 30).Draw(t, "bits")}
		want := p.String()
		back, err := ParseAddressPattern(want)
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		if p.First == p.Last {
			want = netip.PrefixFrom(p.First, p.Bits).String()
		}
		if back != p || back.String() != want {
			t.Fatalf("%s became %s", want, back)
		}
		n := Network{Address: p}
		for i := range p.Len() {
			address, ok := n.AddressOf(i)
			if !ok || !p.Contains(address.Addr()) || address.Bits() != p.Bits {
				t.Fatalf("address %d of %s is %s, %t", i, p, address, ok)
			}
		}
		if _, ok := n.AddressOf(p.Len()); ok {
			t.Fatalf("%s has an address beyond its end", p)
		}
	})
	if address, ok := (Network{}).AddressOf(0); ok {
		t.Errorf("DHCP gave %s", address)
	}
	if got := (AddressPattern{}).String(); got != "dhcp" {
		t.Errorf("no pattern is written %q, want dhcp", got)
	}
}

func TestSSHAddress(t *testing.T) {
	for text, want := range map[string]SSHAddress{
		"root@192.168.7.2":            {"root", "192.168.7.2", 22},
		"root@192.168.7.2:2222":       {"root", "192.168.7.2", 2222},
		"lab_1@pve.example.org":       {"lab_1", "pve.example.org", 22},
		"root@fd00::2":                {"root", "fd00::2", 22},
		"root@[fd00::2]:2222":         {"root", "fd00::2", 2222},
		"root@pve":                    {"root", "pve", 22},
		"root@pve-1.lan.example:8022": {"root", "pve-1.lan.example", 8022},
	} {
		got, err := ParseSSHAddress(text)
		if err != nil || got != want {
			t.Errorf("ParseSSHAddress(%q) = %v, %v, want %v", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("%q is written back as %q", text, got)
		}
	}
	for _, text := range []string{"", "root", "@pve", "root@", "Root@pve", "root@pve:", "root@pve:65536", "root@a b", "root@-x", "root@pve@x", "root@[fd00::2", "-l@pve"} {
		if got, err := ParseSSHAddress(text); err == nil {
			t.Errorf("ParseSSHAddress(%q) = %v, want an error", text, got)
		}
	}
}

func TestFioBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"4096": 4096, "4096b": 4096, "4k": 4 << 10, "64K": 64 << 10, "256m": 256 << 20, "16g": 16 << 30, "16GB": 16 << 30, "1t": 1 << 40,
	} {
		if got, ok := fioBytes(text); !ok || got != want {
			t.Errorf("fioBytes(%q) = %d, %t, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "b", "k", "kb", "50%", "16GiB", "0", "-4k", "4.5k", "99999999999t"} {
		if got, ok := fioBytes(text); ok {
			t.Errorf("fioBytes(%q) = %d, want none", text, got)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"memory", "memory", 0}, {"memroy", "memory", 1}, {"memry", "memory", 1}, {"memoryy", "memory", 1}, {"mamroy", "memory", 2}, {"a", "abcd", 5}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
