package transfer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/rules"
	"github.com/foldlog/foldlog/bank/transfer"
	"github.com/foldlog/foldlog/scenario"
)

var (
	request   = transfer.Request{From: "ann", To: "bob", Amount: 5, Currency: "EUR", Reference: "lunch"}
	requested = transfer.Requested{From: "ann", To: "bob", Amount: 5, Currency: "EUR", Reference: "lunch"}
	debited   = transfer.Debited{From: "ann", To: "bob", Amount: 5, Currency: "EUR"}
	refused   = transfer.Refused{From: "ann", To: "bob", Amount: 5, Currency: "EUR", Reason: "insufficient_funds"}
	completed = transfer.Completed{From: "ann", To: "bob", Amount: 5, Currency: "EUR"}
	returning = transfer.Returning{From: "ann", To: "bob", Amount: 5, Currency: "EUR", Reason: "account_frozen"}
	returned  = transfer.Returned{From: "ann", To: "bob", Amount: 5, Currency: "EUR", Reason: "account_frozen"}
)

func given(t *testing.T, events ...transfer.Event) *scenario.DeciderScenario[transfer.Transfer, transfer.Command, transfer.Event] {
	t.Helper()
	return scenario.Decider(t, transfer.Decider()).Given(events...)
}

func state(status transfer.Status, reason string) transfer.Transfer {
	return transfer.Transfer{Status: status, From: "ann", To: "bob", Amount: 5, Currency: "EUR", Reference: "lunch", Reason: reason}
}

func TestCompleted(t *testing.T) {
	given(t).
		When(request).Then(requested).ThenState(state(transfer.StatusRequested, "")).
		When(transfer.ConfirmDebit{}).Then(debited).ThenState(state(transfer.StatusDebited, "")).
		When(transfer.ConfirmCredit{}).Then(completed).ThenState(state(transfer.StatusCompleted, ""))
}

func TestRefused(t *testing.T) {
	given(t, requested).
		When(transfer.DeclineDebit{Reason: "insufficient_funds"}).Then(refused).
		ThenState(state(transfer.StatusRefused, "insufficient_funds"))
}

func TestReturned(t *testing.T) {
	given(t, requested, debited).
		When(transfer.DeclineCredit{Reason: "account_frozen"}).Then(returning).ThenState(state(transfer.StatusReturning, "account_frozen")).
		When(transfer.ConfirmRefund{}).Then(returned).ThenState(state(transfer.StatusReturned, "account_frozen"))
}

// TestEveryPairOfStateAndCommand goes through all of them: what is not on the way is wrong_state.
func TestEveryPairOfStateAndCommand(t *testing.T) {
	states := map[transfer.Status][]transfer.Event{
		transfer.StatusNone:      nil,
		transfer.StatusRequested: {requested},
		transfer.StatusDebited:   {requested, debited},
		transfer.StatusRefused:   {requested, refused},
		transfer.StatusCompleted: {requested, debited, completed},
		transfer.StatusReturning: {requested, debited, returning},
		transfer.StatusReturned:  {requested, debited, returning, returned},
	}
	commands := []transfer.Command{
		request, transfer.ConfirmDebit{}, transfer.DeclineDebit{Reason: "insufficient_funds"}, transfer.ConfirmCredit{},
		transfer.DeclineCredit{Reason: "account_frozen"}, transfer.ConfirmRefund{},
	}
	leadsOn := map[string]transfer.Event{
		"none transfer.Request":           requested,
		"requested transfer.ConfirmDebit": debited,
		"requested transfer.DeclineDebit": refused,
		"debited transfer.ConfirmCredit":  completed,
		"debited transfer.DeclineCredit":  returning,
		"returning transfer.ConfirmRefund": transfer.Returned{
			From: "ann", To: "bob", Amount: 5, Currency: "EUR", Reason: "account_frozen",
		},
	}
	taken := 0
	for status, events := range states {
		for _, command := range commands {
			pair := fmt.Sprintf("%s %T", status, command)
			t.Run(pair, func(t *testing.T) {
				if event, ok := leadsOn[pair]; ok {
					taken++
					given(t, events...).When(command).Then(event)
					return
				}
				given(t, events...).When(command).ThenRejected("wrong_state")
			})
		}
	}
	if taken != len(leadsOn) {
		t.Errorf("%d of the %d steps were taken", taken, len(leadsOn))
	}
}

func TestRequestRefused(t *testing.T) {
	with := func(change func(*transfer.Request)) transfer.Request {
		changed := request
		change(&changed)
		return changed
	}
	given(t).When(with(func(r *transfer.Request) { r.Amount = 0 })).ThenRejected("amount_not_positive")
	given(t).When(with(func(r *transfer.Request) { r.Amount = rules.MaxAmount + 1 })).ThenRejected("amount_overflow")
	given(t).When(with(func(r *transfer.Request) { r.To = "ann" })).ThenRejected("same_account")
	given(t).When(with(func(r *transfer.Request) { r.From = "" })).ThenInvalid("from")
	given(t).When(with(func(r *transfer.Request) { r.To = "b/b" })).ThenInvalid("to")
	given(t).When(with(func(r *transfer.Request) { r.Currency = "E" })).ThenInvalid("currency")
	given(t).When(with(func(r *transfer.Request) { r.Reference = strings.Repeat("x", 201) })).ThenInvalid("reference")
	given(t).When(with(func(r *transfer.Request) { r.Amount = rules.MaxAmount })).
		Then(transfer.Requested(with(func(r *transfer.Request) { r.Amount = rules.MaxAmount })))
}

func TestReasonsAreLimited(t *testing.T) {
	long := strings.Repeat("x", 501)
	for _, c := range []transfer.Command{
		transfer.ConfirmDebit{Reason: long}, transfer.DeclineDebit{Reason: long}, transfer.ConfirmCredit{Reason: long},
		transfer.DeclineCredit{Reason: long}, transfer.ConfirmRefund{Reason: long},
	} {
		given(t, requested).When(c).ThenInvalid("reason")
	}
}

func TestFinal(t *testing.T) {
	for status, final := range map[transfer.Status]bool{
		transfer.StatusNone: false, transfer.StatusRequested: false, transfer.StatusDebited: false, transfer.StatusReturning: false,
		transfer.StatusRefused: true, transfer.StatusCompleted: true, transfer.StatusReturned: true,
	} {
		if status.Final() != final {
			t.Errorf("%s: Final() is %t", status, status.Final())
		}
	}
}

func TestTypesTheAggregateDoesNotKnow(t *testing.T) {
	if _, err := transfer.Decide(transfer.Initial(), foldlog.Command[transfer.Command]{}); err == nil {
		t.Error("a command of no known type was accepted")
	}
	defer func() {
		if recover() == nil {
			t.Error("an event of no known type was passed over in silence")
		}
	}()
	transfer.Evolve(transfer.Initial(), foldlog.Event[transfer.Event]{})
}
