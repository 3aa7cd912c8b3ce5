package planted

import "slices"

// Bug is one deliberate breakage of the product.
type Bug struct {
	Name   string
	Breaks string
	// Plant are the replacements of source text that make the bug.
	Plant []Replacement
	// Caught are the tests that notice it. There is at least one.
	Caught []Catch
	// Simulated is what the simulation of the engine says to it, as a regular expression. It is ""
	// if the simulation does not run it.
	Simulated string
}

// Replacement replaces a text that occurs exactly once in a file.
type Replacement struct {
	File     string // from the module's root
	Old, New string
}

// Catch is a test that passes without a bug, and that fails with it in words of its own.
type Catch struct {
	Room string // the folder of the test's package
	Test string // what -run gets
	Says string // what the failed test says, as a regular expression
	// Kafka says that the test runs on Apache Kafka: it behaves differently there, or the embedded
	// broker cannot show the bug.
	Kafka bool
}

const (
	engine     = "processors/exactlyonce"
	processors = "processors"
	views      = "views"
	gateway    = "gateway"
	edge       = "edge"
)

// Bugs returns all bugs.
func Bugs() []Bug {
	return slices.Concat(transactionBugs, recoveryBugs, domainBugs, inputBugs, viewBugs, doorBugs)
}
