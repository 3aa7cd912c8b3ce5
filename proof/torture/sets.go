package torture

import (
	"fmt"
	"time"
)

// Set returns the scenarios of a set: "short" takes a few minutes, for CI; "long" is every
// scenario, for hours.
func Set(name string) ([]Scenario, error) {
	switch name {
	case "short":
		// how many faults; this package's own test kills foldlog dev
		short := map[string]int{"crash": 2, "broker-kill": 1}
		found, err := Find([]string{"crash", "broker-kill"})
		for i := range found {
			found[i].faults = short[found[i].Name]
			found[i].duration = min(found[i].duration, 90*time.Second)
		}
		return found, err
	case "long":
		all := Scenarios()
		for i := range all {
			all[i].faults *= 5
			all[i].duration *= 5
		}
		return all, nil
	}
	return nil, fmt.Errorf("there is no set %q; there are short and long", name)
}
