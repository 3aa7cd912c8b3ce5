package check

// Run judges the run in the directory. An error means that the directory cannot be read, not that
// something was found. It holds the whole run in memory.
func Run(dir string) (Report, error) {
	d, err := load(dir)
	if err != nil {
		return Report{}, err
	}
	all, err := d.readClients()
	if err != nil {
		return Report{}, err
	}
	found := map[*call]bool{}
	f := d.foldEvents(d.look(all, found))
	executions := map[string]*execution{}
	for _, a := range aggregates {
		executions[a] = d.execute(a)
	}
	d.checkAcknowledged(all, executions)
	d.checkPolicies()
	d.checkRekeyed()
	d.checkOtherDeadLetters()
	tables := d.checkTables(f)
	if err := d.checkInstances(f); err != nil {
		return Report{}, err
	}
	if err := d.checkStores(); err != nil {
		return Report{}, err
	}
	d.checkOffsets()
	d.checkSettled()
	d.checkReads(all, found)
	d.checkProgress()
	d.checkAnnouncements(f)
	d.checkRekeyedOrder()
	d.checkMoney(f, tables)
	d.checkSamples()
	d.close()
	return *d.Report, nil
}
