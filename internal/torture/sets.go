package torture

import "fmt"

// Set returns the scenarios of a set: "short" for CI, "long" for a night.
func Set(name string) ([]Scenario, error) {
	switch name {
	case "short":
		return Find([]string{"dev", "kill", "crash", "broker-kill"})
	case "long":
		return Scenarios(), nil
	}
	return nil, fmt.Errorf("there is no set %q; there are short and long", name)
}
