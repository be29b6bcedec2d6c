pveum pool modify labctl || pveum pool add labctl
pveum user modify labctl@pve || pveum user add labctl@pve
pveum user token modify labctl@pve run || pveum user token add labctl@pve run --privsep 1
pveum role modify LabctlVM --append 1 --privs 'Pool.Audit VM.Allocate VM.Audit VM.PowerMgmt VM.Config.Disk VM.Config.CPU VM.Config.Memory VM.Config.Options VM.Config.Cloudinit VM.GuestAgent.Audit VM.GuestAgent.FileRead' || pveum role add LabctlVM --privs 'Pool.Audit VM.Allocate VM.Audit VM.PowerMgmt VM.Config.Disk VM.Config.CPU VM.Config.Memory VM.Config.Options VM.Config.Cloudinit VM.GuestAgent.Audit VM.GuestAgent.FileRead'
pveum role modify LabctlTemplate --append 1 --privs 'VM.Audit VM.Clone' || pveum role add LabctlTemplate --privs 'VM.Audit VM.Clone'
pveum role modify LabctlStore --append 1 --privs 'Datastore.AllocateSpace Datastore.Audit' || pveum role add LabctlStore --privs 'Datastore.AllocateSpace Datastore.Audit'
pveum role modify LabctlNet --append 1 --privs SDN.Use || pveum role add LabctlNet --privs SDN.Use
pveum acl modify /pool/labctl --users labctl@pve --tokens 'labctl@pve!run' --roles LabctlVM
pveum acl modify /vms/9000 --users labctl@pve --tokens 'labctl@pve!run' --roles LabctlTemplate
pveum acl modify /storage/zfs --users labctl@pve --tokens 'labctl@pve!run' --roles LabctlStore
pveum acl modify /sdn/zones/localnetwork/vmbr0 --users labctl@pve --tokens 'labctl@pve!run' --roles LabctlNet
