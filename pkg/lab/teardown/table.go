package teardown

// There is what has a VMID on the server now.
type There string

// What can have a VMID.
const (
	Ours        There = "a VM marked by this run or a dead one"
	Live        There = "a VM marked by a live run of ours"
	Unmarked    There = "a VM of this run without its mark" // the SMBIOS UUID is the one that the journal has
	Perhaps     There = "a VM that may be this run's, without a mark"
	Foreign     There = "somebody else's VM"
	Gone        There = "no VM"
	Unreadable  There = "a VM that the token may not read"
	HalfMade    There = "an empty VM of ours that PVE did not finish" // unreadable, and the journal has a probe that failed
	Unreachable There = "a VM on a node that does not answer"
)

// Journal is what the journal says of a VMID.
type Journal string

// What the journal can say.
const (
	Made    Journal = "made by this run"
	Listed  Journal = "in the task list"                    // this token worked on it before this run; the run changed nothing there
	Killed  Journal = "in the task list, its worker killed" // what the worker left cannot be read by any token
	Nothing Journal = "nothing"                             // the mark alone tells of it
)

// Word is what the person at work says of a VMID.
type Word string

// What a person can say.
const (
	Silence Word = ""
	Leave   Word = "--leave"
	Take    Word = "--take"
)

// Action is what happens to a VMID.
type Action string

// The actions.
const (
	Remove      Action = "stop, destroy, prove"
	Prove       Action = "prove"        // look under the VMID, free what is ours
	Look        Action = "look"         // look under the VMID, free nothing, report what is there
	ProveBeside Action = "prove beside" // everything under the VMID has to be in the configuration of the VM there
	Keep        Action = "leave alone"
	Ignore      Action = "nothing" // nothing says that it has to do with us
	Report      Action = "report"  // exit code 5, with what to type
	Refuse      Action = "refuse"  // nothing of the lab is removed: what the person says contradicts what is known
)

// Row is one case of the table. An empty field stands for every value.
type Row struct {
	There   There
	Journal Journal
	Word    Word
	Action  Action
	Because string
}

// Rows is the decision table of a removal. The first row that fits decides.
func Rows() []Row {
	return []Row{
		{Ours, "", Leave, Refuse, "its notes carry the lab's mark"},
		{Ours, "", "", Remove, "its mark was read and is read again before it is destroyed"},
		{Live, "", Take, Refuse, "--take is for a VM that lost its mark; `labctl down --all-runs` removes the runs of other state directories"},
		{Live, "", "", Keep, "somebody may be measuring in it"},
		{Unmarked, "", Take, Remove, "its SMBIOS UUID is the one in the journal, and a person says that it is the lab's"},
		{Perhaps, "", Take, Remove, "this run's clone to the VMID was carried out, and a person says that it is the lab's"},
		{Unmarked, "", Leave, Keep, "a person says that it is not the lab's any more"},
		{Perhaps, "", Leave, Keep, "a person says that it is not the lab's"},
		{Unmarked, "", "", Report, "this run made it, as its SMBIOS UUID shows, and its notes were replaced"},
		{Perhaps, "", "", Report, "this run made a VM there, and nothing tells whether it is this one"},
		{"", "", Take, Refuse, "the journal does not prove that this run made a VM there"},
		{Foreign, Made, Leave, Keep, "a person says that nothing under the VMID is the lab's"},
		{Foreign, Made, "", ProveBeside, "volumes of the VM that this run made may be left beside it"},
		{Foreign, Killed, Leave, Keep, "a person says that nothing under the VMID is the lab's"},
		{Foreign, Killed, "", ProveBeside, "volumes of the killed worker may be left beside it"},
		{Foreign, "", "", Ignore, "only the task list names the VMID"},
		{Gone, Listed, "", Look, "only the task list names the VMID: what lies there may be anybody's"},
		{Gone, Killed, "", Look, "only the task list names the VMID: what lies there may be anybody's"},
		{Gone, "", "", Prove, "this run made it, or its mark was read a moment ago"},
		{Unreadable, Listed, "", Ignore, "only the task list names the VMID"},
		{Unreadable, "", Leave, Keep, "a person says that it is not the lab's"},
		{Unreadable, "", "", Report, "it may be a clone that never ended"},
		{HalfMade, "", Leave, Keep, "a person says that it is not the lab's"},
		{HalfMade, "", "", Report, "PVE takes a VMID before it makes the VM, and only root can give it back"},
		{Unreachable, "", "", Report, "its node does not answer, and it may be of the lab"},
	}
}

// fits says whether the row is about the case.
func (r Row) fits(there There, journal Journal, word Word) bool {
	return (r.There == "" || r.There == there) && (r.Journal == "" || r.Journal == journal) && (r.Word == "" || r.Word == word)
}

// decide is the first row that fits. The table has one for every case; a test holds that.
func decide(there There, journal Journal, word Word) Row {
	for _, row := range Rows() {
		if row.fits(there, journal, word) {
			return row
		}
	}
	return Row{There: there, Journal: journal, Word: word, Action: Report, Because: "no rule says what it is"}
}
