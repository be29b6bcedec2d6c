package pvesim

import (
	"slices"
	"strings"
)

// The privileges by kind, from PVE::AccessControl; those of a guest agent came with 9 and replaced VM.Monitor.
const (
	storagePrivileges = "Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit"
	mappingPrivileges = "Mapping.Audit Mapping.Use"
	poolPrivileges    = "Pool.Allocate Pool.Audit"
	sdnPrivileges     = "SDN.Allocate SDN.Audit SDN.Use"
	nodePrivileges    = "Sys.Audit Sys.Console Sys.Syslog"
	userPrivileges    = "Group.Allocate Realm.AllocateUser User.Modify"
	rootPrivileges    = "Mapping.Modify Permissions.Modify Realm.Allocate Sys.AccessNetwork Sys.Incoming Sys.Modify Sys.PowerMgmt"
	vmUserPrivileges  = "VM.Audit VM.Backup VM.Config.CDROM VM.Config.Cloudinit VM.Console VM.PowerMgmt"
	vmPrivileges      = vmUserPrivileges + " VM.Allocate VM.Clone VM.Config.CPU VM.Config.Disk VM.Config.HWType VM.Config.Memory " +
		"VM.Config.Network VM.Config.Options VM.Migrate VM.Snapshot VM.Snapshot.Rollback"
	agentUserPrivileges = " VM.GuestAgent.Audit VM.GuestAgent.FileRead VM.GuestAgent.FileSystemMgmt VM.GuestAgent.FileWrite"
)

// role is a named set of privileges.
type role struct {
	privileges []string
	special    bool // comes with Proxmox VE
}

// builtinRoles are those that come with Proxmox VE.
func builtinRoles(major int) map[string]*role {
	vm, vmUser, auditor := vmPrivileges, vmUserPrivileges, ""
	if major == 8 {
		vm += " VM.Monitor"
	} else {
		vm += agentUserPrivileges + " VM.GuestAgent.Unrestricted VM.Replicate"
		vmUser += agentUserPrivileges
		auditor = " VM.GuestAgent.Audit"
	}
	admin := strings.Join([]string{
		storagePrivileges, mappingPrivileges, poolPrivileges, sdnPrivileges, nodePrivileges, userPrivileges, vm,
	}, " ")
	texts := map[string]string{
		"Administrator":     admin + " " + rootPrivileges,
		"NoAccess":          "",
		"PVEAdmin":          admin,
		"PVEAuditor":        "Datastore.Audit Mapping.Audit Pool.Audit SDN.Audit Sys.Audit VM.Audit" + auditor,
		"PVEDatastoreAdmin": storagePrivileges,
		"PVEDatastoreUser":  "Datastore.AllocateSpace Datastore.Audit",
		"PVEMappingAdmin":   mappingPrivileges + " Mapping.Modify",
		"PVEMappingUser":    mappingPrivileges,
		"PVEPoolAdmin":      poolPrivileges,
		"PVEPoolUser":       "Pool.Audit",
		"PVESDNAdmin":       sdnPrivileges,
		"PVESDNUser":        "SDN.Audit SDN.Use",
		"PVESysAdmin":       nodePrivileges,
		"PVETemplateUser":   "VM.Audit VM.Clone",
		"PVEUserAdmin":      userPrivileges,
		"PVEVMAdmin":        vm,
		"PVEVMUser":         vmUser,
	}
	roles := make(map[string]*role, len(texts))
	for name, text := range texts {
		privileges := strings.Fields(text)
		slices.Sort(privileges)
		roles[name] = &role{privileges: privileges, special: true}
	}
	return roles
}
