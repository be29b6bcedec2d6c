package doctor

// PreconditionIDs are the IDs of all preconditions, in their order.
func PreconditionIDs() []string {
	var ids []string
	for _, check := range checks() {
		for _, precondition := range check.preconditions {
			ids = append(ids, precondition.id)
		}
	}
	return ids
}
