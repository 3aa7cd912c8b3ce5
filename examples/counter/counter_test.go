package counter

import (
	"testing"

	"github.com/foldlog/foldlog/cli"
	"github.com/foldlog/foldlog/cli/clitest"
	"github.com/foldlog/foldlog/scenario"
)

func TestCounter(t *testing.T) {
	counter := func() *scenario.DeciderScenario[State, Command, Event] { return scenario.Decider(t, Decider()) }
	counter().When(Increment{By: 3}).Then(Changed{Delta: 3})
	counter().Given(Changed{Delta: 3}).When(Decrement{By: 3}).Then(Changed{Delta: -3}).ThenState(State{Value: 0})
	counter().Given(Changed{Delta: 3}).When(Decrement{By: 4}).ThenRejected(CodeBelowZero)
	counter().Given(Changed{Delta: Max}).When(Increment{By: 1}).ThenRejected(CodeAboveMax)
	counter().Given(Changed{Delta: 3}).When(Reset{}).Then(WasReset{From: 3}).ThenState(State{Value: 0})
	counter().When(Reset{}).Then()
	counter().When(Increment{By: 0}).ThenInvalid("by")
}

func TestCounts(t *testing.T) {
	scenario.Projection(t, Counts()).With(scenario.ID("clicks")).
		Given(Changed{Delta: 3}, Changed{Delta: -1}, WasReset{From: 2}, Changed{Delta: 7}).
		ThenRow("clicks", CountsRow{Value: 7, Changes: 4})
}

func TestNothingIsMissing(t *testing.T) {
	scenario.Complete(t, Topology(), App().Schemas)
}

func TestSystem(t *testing.T) {
	system := clitest.Start(t, App(), t.TempDir())
	for _, e := range App().Examples {
		if got := system.Run("send", e.Aggregate, e.ID, e.Command, e.Body); got.Code != cli.ExitOK {
			t.Fatalf("%s: %+v", e.Command, got)
		}
	}
	if got := system.Run("send", "counter", "clicks", "decrement", `{"by": 3}`); got.Code != cli.ExitFinding {
		t.Errorf("below zero: %+v", got)
	}
}
