package shell

import (
	"regexp"
	"strconv"
)

// A format is what Proxmox VE accepts as a name of one kind. Names come from servers, which need not be what they say.
type format struct {
	noun    string
	pattern *regexp.Regexp
}

func (f format) accepts(name string) bool { return f.pattern.MatchString(name) }

func newFormat(noun, pattern string) format {
	return format{noun, regexp.MustCompile(`\A(?:` + pattern + `)\z`)}
}

// The formats with their places in Proxmox VE's source (pve-common f665029, pve-access-control 5ccd07d, pve-storage
// 0c56bad). Stricter than there is the name of a volume after the storage: PVE::Storage::Plugin takes any character but
// blanks (Plugin.pm:784-808, ZFSPoolPlugin.pm:144), and what ZFS, LVM, RBD and labctl itself make needs no more than these.
var (
	storageName = newFormat("storage ID", storageID)                                   // JSONSchema.pm:300, parse_id
	volumeName  = newFormat("volume ID", storageID+`:[A-Za-z0-9_][A-Za-z0-9+_.:@/-]*`) // Storage/Plugin.pm:423
	nodeName    = newFormat("node name", `[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?`)     // JSONSchema.pm:350
	bridgeName  = newFormat("bridge name", `[A-Za-z0-9_][A-Za-z0-9_.-]*`)              // JSONSchema.pm:277
	vmNumber    = newFormat("VMID", `[1-9][0-9]{2,8}`)                                 // JSONSchema.pm:312
	vmName      = newFormat("VM name", dnsLabel+`(\.`+dnsLabel+`)*`)                   // JSONSchema.pm:678, dns-name
	poolName    = newFormat("pool name", poolPart+`(/`+poolPart+`){0,2}`)              // AccessControl.pm:1363
	roleName    = newFormat("role name", `[A-Za-z0-9._][A-Za-z0-9._-]*`)               // AccessControl.pm:1341
	userName    = newFormat("user ID", user)                                           // Auth/Plugin.pm:34, 35, 140
	tokenName   = newFormat("token name", realm)                                       // AccessControl.pm, token_subid_regex
	tokenID     = newFormat("token ID", user+`!`+realm)                                // AccessControl.pm, token_full_regex
	aclPath     = newFormat("ACL path", `/|(/[A-Za-z0-9._-]+)+`)                       // AccessControl.pm:1281, check_path
	privilege   = newFormat("privilege", `[A-Z][A-Za-z]*(\.[A-Z][A-Za-z]*)*`)          // AccessControl.pm, $privgroups
	configKey   = newFormat("key of a VM's configuration", `[a-z][a-z0-9_-]*`)         // QemuServer.pm, parse_vm_config
	contentType = newFormat("content type", `[a-z][a-z-]*`)                            // Storage/Plugin.pm, pve-storage-content
)

const (
	storageID = `[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]`
	dnsLabel  = `[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?`
	poolPart  = `[A-Za-z0-9._][A-Za-z0-9._-]*`
	realm     = `[A-Za-z][A-Za-z0-9._-]+`
	user      = `[^\s:/-][^\s:/]*@` + realm
)

// Storage adds the ID of a storage.
func (c Command) Storage(id string) Command { return c.name(storageName, id) }

// Volume adds the ID of a volume, such as "zfs:vm-100-disk-0".
func (c Command) Volume(id string) Command { return c.name(volumeName, id) }

// Node adds the name of a node.
func (c Command) Node(name string) Command { return c.name(nodeName, name) }

// Nodes adds names of nodes as one list.
func (c Command) Nodes(names []string) Command { return c.list(nodeName, ",", names) }

// Bridge adds the name of a bridge.
func (c Command) Bridge(name string) Command { return c.name(bridgeName, name) }

// VMID adds the number of a VM.
func (c Command) VMID(id int) Command { return c.name(vmNumber, strconv.Itoa(id)) }

// VMName adds the name of a VM.
func (c Command) VMName(name string) Command { return c.name(vmName, name) }

// Pool adds the name of a pool.
func (c Command) Pool(name string) Command { return c.name(poolName, name) }

// Role adds the name of a role.
func (c Command) Role(name string) Command { return c.name(roleName, name) }

// User adds the ID of a user, such as "root@pam".
func (c Command) User(id string) Command { return c.name(userName, id) }

// Token adds the name of a token within its user.
func (c Command) Token(name string) Command { return c.name(tokenName, name) }

// TokenID adds the whole ID of a token, such as "labctl@pve!run".
func (c Command) TokenID(id string) Command { return c.name(tokenID, id) }

// ACLPath adds a path of the access control list, such as "/vms/9000".
func (c Command) ACLPath(path string) Command { return c.name(aclPath, path) }

// Privileges adds privileges as one list.
func (c Command) Privileges(names []string) Command { return c.list(privilege, " ", names) }

// Key adds the name of a setting of a VM, such as "scsi1".
func (c Command) Key(name string) Command { return c.name(configKey, name) }

// Contents adds content types of a storage as one list.
func (c Command) Contents(types []string) Command { return c.list(contentType, ",", types) }
