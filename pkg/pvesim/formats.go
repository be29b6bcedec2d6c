package pvesim

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// namedFormat is a format that the schema only names: a pattern and the text when it does not match. %s in the text is
// the value.
type namedFormat struct {
	pattern *regexp.Regexp
	text    string
}

const (
	dnsLabel = `[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?`
	userName = `^[^\s:/@]+@[A-Za-z][A-Za-z0-9._-]+`
)

// namedFormats are those of pve-common, pve-access-control, pve-storage and qemu-server. Formats that are not listed
// take everything.
var namedFormats = map[string]namedFormat{
	"pve-vmid":         {regexp.MustCompile(`^[1-9][0-9]{2,8}$`), "value does not look like a valid VM ID"},
	"pve-node":         {regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$`), "value does not look like a valid node name"},
	"pve-configid":     {regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_-]+$`), "invalid configuration ID '%s'"},
	"pve-storage-id":   {regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9._-]*[a-zA-Z0-9]$`), "storage ID '%s' contains illegal characters"},
	"pve-poolid":       {regexp.MustCompile(`^[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+){0,2}$`), "pool name '%s' contains invalid characters"},
	"pve-userid":       {regexp.MustCompile(userName + `$`), "value '%s' does not look like a valid user name"},
	"pve-tokenid":      {regexp.MustCompile(userName + `![A-Za-z][A-Za-z0-9._-]+$`), "value '%s' does not look like a valid token ID"},
	"pve-roleid":       {regexp.MustCompile(`^[A-Za-z0-9._-]+$`), "role name '%s' contains invalid characters"},
	"pve-realm":        {regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]+$`), "value does not look like a valid realm"},
	"pve-tag":          {regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9_.+-]*$`), "invalid characters in tag"},
	"pve-bridge-id":    {regexp.MustCompile(`^[-_.\w]+$`), "invalid bridge ID '%s'"},
	"pve-iface":        {regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]{1,20}(?:[:.]\d+)?$`), "invalid network interface name '%s'"},
	"dns-name":         {regexp.MustCompile(`^(?:` + dnsLabel + `\.)*` + dnsLabel + `$`), "value does not look like a valid DNS name"},
	"urlencoded":       {regexp.MustCompile(`^[-%a-zA-Z0-9_.!~*'()]*$`), "invalid urlencoded string: %s"},
	"disk-size":        {regexp.MustCompile(`^\d+(?:\.\d+)?[KMGT]?$`), "value does not look like a valid disk size: %s"},
	"mac-addr":         {regexp.MustCompile(`^(?i)[0-9a-f][02468ace](?::[0-9a-f]{2}){5}$`), "value does not look like a valid unicast MAC address"},
	"pve-volume-id":    {regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9._-]*[a-zA-Z0-9]:.+$`), "unable to parse volume ID '%s'"},
	"email":            {regexp.MustCompile(`^[\w+.-]+@[\w.-]+$`), "value does not look like a valid email address"},
	"pve-groupid":      {regexp.MustCompile(`^[A-Za-z0-9._-]+$`), "group name '%s' contains invalid characters"},
	"pve-storage-path": {regexp.MustCompile(`^/.*$`), "value does not look like a valid path"},
	"pve-task-status-type": {
		regexp.MustCompile(`^(?i)(?:ok|error|warning|unknown)$`), "invalid status '%s'",
	},
	"pve-storage-content": {
		regexp.MustCompile(`^(?:images|rootdir|vztmpl|iso|backup|snippets|import|none)$`), "invalid content type '%s'",
	},
	"pve-volume-id-or-qm-path": {
		regexp.MustCompile(`^(?:none|cdrom|/.*|[a-zA-Z][a-zA-Z0-9._-]*[a-zA-Z0-9]:.+)$`), "unable to parse volume ID '%s'",
	},
	"pve-volume-id-or-absolute-path": {
		regexp.MustCompile(`^(?:/.*|[a-zA-Z][a-zA-Z0-9._-]*[a-zA-Z0-9]:.+)$`), "unable to parse volume ID '%s'",
	},
}

// composed are formats with parts that the schema only names.
var composed = map[string]map[string]*property{
	"pve-qm-cicustom": {
		"meta": optional("pve-volume-id"), "network": optional("pve-volume-id"), "user": optional("pve-volume-id"),
		"vendor": optional("pve-volume-id"),
	},
	"pve-qm-ipconfig": {
		"ip": optional("pve-ipv4-config"), "gw": optional("ipv4"), "ip6": optional("pve-ipv6-config"), "gw6": optional("ipv6"),
	},
}

func optional(name string) *property {
	return &property{Type: "string", Optional: 1, Format: format{name: name}}
}

// checkNamed checks a value against a named format. A name that ends in -list takes several values, one in -opt none.
func checkNamed(name, path, value string) string {
	if parts, ok := composed[name]; ok {
		return checkParts(parts, path, value)
	}
	if f, ok := namedFormats[name]; ok {
		return f.check(value)
	}
	if single, isList := strings.CutSuffix(name, "-list"); isList {
		for _, item := range splitList(value) {
			if text := checkNamed(single, path, item); text != "" {
				return text
			}
		}
		return ""
	}
	if single, isOptional := strings.CutSuffix(name, "-opt"); isOptional && value != "" {
		return checkNamed(single, path, value)
	}
	return checkComputed(name, value)
}

func (f namedFormat) check(value string) string {
	switch {
	case f.pattern.MatchString(value):
		return ""
	case strings.Contains(f.text, "%s"):
		return fmt.Sprintf(f.text, value) + "\n"
	}
	return f.text + "\n"
}

// computedFormats are the formats that no pattern describes: what makes a value good, and the text when it is not.
var computedFormats = map[string]struct {
	good func(string) bool
	text string
}{
	"pve-ipv4-config": {isNetworkIn(true, "dhcp"), "value does not look like a valid ipv4 network configuration"},
	"pve-ipv6-config": {isNetworkIn(false, "dhcp", "auto"), "value does not look like a valid ipv6 network configuration"},
	"ipv4":            {isAddressIn(true), "value does not look like a valid IPv4 address"},
	"ipv6":            {isAddressIn(false), "value does not look like a valid IPv6 address"},
	"address":         {isAddressOrName, "value does not look like a valid address: '%s'"},
}

func isNetworkIn(v4 bool, words ...string) func(string) bool {
	return func(value string) bool {
		prefix, err := netip.ParsePrefix(value)
		return slices.Contains(words, value) || err == nil && prefix.Addr().Is4() == v4
	}
}

func isAddressIn(v4 bool) func(string) bool {
	return func(value string) bool {
		address, err := netip.ParseAddr(value)
		return err == nil && address.Is4() == v4
	}
}

func isAddressOrName(value string) bool {
	_, err := netip.ParseAddr(value)
	return err == nil || namedFormats["dns-name"].check(value) == ""
}

func checkComputed(name, value string) string {
	f, ok := computedFormats[name]
	if !ok || f.good(value) {
		return ""
	}
	return strings.ReplaceAll(f.text, "%s", value) + "\n"
}

// checkPrivileges is the check of a list of privileges, which depends on the version.
func (c *Cluster) checkPrivileges(name string, list []string) error {
	known := c.access.roles["Administrator"].privileges
	for _, p := range list {
		if !slices.Contains(known, p) {
			return badParameter(name, "invalid format - invalid privilege '%s'\n", p)
		}
	}
	return nil
}
