package pvesim

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// cloudinitEntry is one row of GET .../cloudinit.
type cloudinitEntry struct {
	Key     string `json:"key"`
	Value   string `json:"value,omitempty"`
	Pending string `json:"pending,omitempty"`
}

// getCloudinit is GET .../cloudinit: what the drive holds, and what it will hold when made anew.
func getCloudinit(k *call) (any, error) {
	v, err := k.vm()
	if err != nil {
		return nil, err
	}
	list := []cloudinitEntry{}
	for _, key := range []string{"ciuser", "cipassword", "nameserver", "searchdomain", "sshkeys"} {
		value, set := v.config[key]
		if !set {
			continue
		}
		if key == "cipassword" {
			value = hiddenPassword
		}
		list = append(list, cloudinitEntry{Key: key, Value: value})
	}
	return list, nil
}

// regenerateCloudinit is PUT .../cloudinit. Guests get their values at the start, so nothing is to be done.
func regenerateCloudinit(k *call) (any, error) {
	_, err := k.vm()
	return nil, err
}

// dumpCloudinit is GET .../cloudinit/dump.
func dumpCloudinit(k *call) (any, error) {
	v, err := k.vm()
	if err != nil {
		return nil, err
	}
	switch k.params.text("type") {
	case "user":
		return v.userData(), nil
	case "network":
		return v.networkData(), nil
	}
	return v.metaData(), nil
}

// metaData is the meta-data that Proxmox writes: the instance is another one when anything changes.
func (v *vm) metaData() string {
	sum := sha1.Sum([]byte(v.userData() + v.networkData()))
	return "instance-id: " + hex.EncodeToString(sum[:]) + "\n"
}

// cloudInit is the content of the VM's cloud-init drive: what Proxmox generates, or the snippets that cicustom names
// in its place.
func (c *Cluster) cloudInit(v *vm, slot string) *GuestCloudInit {
	content := &GuestCloudInit{Slot: slot, User: v.userData(), Network: v.networkData(), Meta: v.metaData()}
	parts := map[string]*string{
		"user": &content.User, "network": &content.Network, "meta": &content.Meta, "vendor": &content.VendorData,
	}
	for kind, volid := range parseOptions(v.config["cicustom"]) {
		part, known := parts[kind]
		if snippet, ok := c.volumeOn(v.node, volid); ok && known {
			*part = string(snippet.data)
		}
	}
	return content
}

// userData is the user-data that Proxmox writes.
func (v *vm) userData() string {
	var b strings.Builder
	fqdn := v.name()
	if domain := v.config["searchdomain"]; domain != "" {
		fqdn += "." + domain
	}
	fmt.Fprintf(&b, "#cloud-config\nhostname: %s\nmanage_etc_hosts: true\nfqdn: %s\n", v.name(), fqdn)
	if name := v.config["ciuser"]; name != "" {
		fmt.Fprintf(&b, "user: %s\n", name)
	} else {
		b.WriteString("disable_root: False\n")
	}
	if v.config["cipassword"] != "" {
		b.WriteString("password: $5$HASH\n")
	}
	if keys, err := url.PathUnescape(v.config["sshkeys"]); err == nil && keys != "" {
		b.WriteString("ssh_authorized_keys:\n")
		for line := range strings.Lines(keys) {
			if line = strings.TrimSpace(line); line != "" {
				fmt.Fprintf(&b, "  - %s\n", line)
			}
		}
	}
	b.WriteString("chpasswd:\n  expire: False\nusers:\n  - default\n")
	if v.config["ciupgrade"] != "0" {
		b.WriteString("package_upgrade: true\n")
	}
	return b.String()
}

// networkData is the network configuration (version 1) that Proxmox writes.
func (v *vm) networkData() string {
	var b strings.Builder
	b.WriteString("version: 1\nconfig:\n")
	for i, key := range slices.DeleteFunc(sortedKeys(v.config), func(key string) bool { return !isNetKey(key) }) {
		first, _, _ := strings.Cut(v.config[key], ",")
		_, mac, _ := strings.Cut(first, "=")
		fmt.Fprintf(&b, "    - type: physical\n      name: eth%d\n      mac_address: '%s'\n      subnets:\n", i, strings.ToLower(mac))
		ip := parseOptions(v.config["ipconfig"+strings.TrimPrefix(key, "net")])
		prefix, err := netip.ParsePrefix(ip["ip"])
		if err != nil {
			b.WriteString("      - type: dhcp4\n")
			continue
		}
		mask := net.IP(net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())).String()
		fmt.Fprintf(&b, "      - type: static\n        address: '%s'\n        netmask: '%s'\n", prefix.Addr(), mask)
		if gateway := ip["gw"]; gateway != "" {
			fmt.Fprintf(&b, "        gateway: '%s'\n", gateway)
		}
	}
	if server := v.config["nameserver"]; server != "" {
		fmt.Fprintf(&b, "    - type: nameserver\n      address:\n      - '%s'\n", server)
		if domain := v.config["searchdomain"]; domain != "" {
			fmt.Fprintf(&b, "      search:\n      - '%s'\n", domain)
		}
	}
	return b.String()
}
