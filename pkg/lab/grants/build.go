package grants

import "slices"

// Build is what decides on the privileges to build a template.
type Build struct {
	Node         string // whose network the image is fetched through
	Pool         string // that the template joins
	Storage      string // of the template's disk
	ImageStorage string // where the image lies meanwhile
	Bridge       string
}

// List is the table for `labctl template build` (PVE::API2::Qemu, create_vm; PVE::API2::Storage::Status, download_url). That
// the template is in the pool lets labs clone it by a privilege there.
func (b Build) List() List {
	pool, images := "/pool/"+b.Pool, "/storage/"+b.ImageStorage
	list := List{
		{pool, "VM.Allocate", "make the template, and a template of it"},
		{pool, "VM.Audit", "read the template's configuration"},
		{pool, "VM.Clone", "let labs clone the template"},
		{pool, "VM.Config.Disk", "import the image as its disk"},
		{pool, "VM.Config.CDROM", "give it a cloud-init drive"},
		{pool, "VM.Config.Cloudinit", "give it a cloud-init drive"},
		{pool, "VM.Config.CPU", "set cores, cpu"},
		{pool, "VM.Config.Memory", "set memory"},
		{pool, "VM.Config.Network", "set net0"},
		{pool, "VM.Config.HWType", "set scsihw, serial0, vga"},
		{pool, "VM.Config.Options", "set agent, boot, ostype, description"},
	}
	list = append(list, onStorage("/storage/"+b.Storage)...)
	list = append(list,
		Grant{images, "Datastore.AllocateTemplate", "put the image on the storage"},
		Grant{images, "Datastore.Allocate", "remove the image again"},
		Grant{images, "Datastore.Audit", "see whether the image is on the storage"},
		Grant{"/nodes/" + b.Node, "Sys.AccessNetwork", "let the node fetch the image"})
	return append(list, Grant{"/sdn/zones/localnetwork/" + b.Bridge, "SDN.Use", "plug the template into the bridge"})
}

// With is the list with what another one has beside.
func (l List) With(other List) List {
	all := slices.Clone(l)
	for _, grant := range other {
		if !slices.Contains(all.On(grant.Path), grant.Privilege) {
			all = append(all, grant)
		}
	}
	return all
}

// Without is the list but for what another one has too.
func (l List) Without(other List) List {
	return slices.DeleteFunc(slices.Clone(l), func(grant Grant) bool { return slices.Contains(other.On(grant.Path), grant.Privilege) })
}
