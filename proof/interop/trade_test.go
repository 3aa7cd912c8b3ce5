package interop

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/foldlog/foldlog/client"
)

// send sends a command over HTTP, which the domain may refuse.
func (s *system) send(t *testing.T, aggregate, id, command string, fields map[string]any) {
	t.Helper()
	_, err := s.http.Send(t.Context(), client.Command{Aggregate: aggregate, ID: id, Type: command, Data: fields})
	if _, refused := errors.AsType[*client.Problem](err); err != nil && !refused {
		t.Fatal(err)
	}
}

// trade lets the bank's customers do everything that they can do, and returns when every transfer
// has come to its end.
func (s *system) trade(t *testing.T) {
	t.Helper()
	random := rand.New(rand.NewPCG(5, 7))
	currencies := []string{"CZK", "EUR", "USD"}
	money := func(amount int64, currency string) map[string]any {
		return map[string]any{"amount": amount, "currency": currency, "reference": "příklad"}
	}
	const accounts = 12
	name := func(i int) string { return fmt.Sprintf("customer-%d", i) }
	for i := range accounts {
		// -1 or 0
		s.send(t, "account", name(i), "open", map[string]any{"holder": "Žofie", "currency": currencies[i%3], "overdraft_limit": i%2 - 1})
		s.send(t, "account", name(i), "deposit", money(random.Int64N(100_000)+1, currencies[i%3]))
		// some have not as much
		s.send(t, "account", name(i), "withdraw", money(random.Int64N(100_000)+1, currencies[i%3]))
	}
	s.send(t, "account", "frozen", "open", map[string]any{"holder": "Ann", "currency": "EUR", "overdraft_limit": 0})
	s.send(t, "account", "frozen", "freeze", map[string]any{"reason": "court order"})
	s.send(t, "account", "closed", "open", map[string]any{"holder": "Ann", "currency": "USD", "overdraft_limit": 0})
	s.send(t, "account", "closed", "close", map[string]any{"reason": "moved away"})
	s.send(t, "account", "rich", "open", map[string]any{"holder": "Ann", "currency": "EUR", "overdraft_limit": 0})
	for range 11 { // an odd sum above 2^53, which no float can say
		s.send(t, "account", "rich", "deposit", money(999_999_999_999_999, "EUR"))
	}
	parties := []string{"frozen", "closed", "nobody"}
	for i := range accounts {
		parties = append(parties, name(i))
	}
	var transfers []string
	for i := range 40 {
		from, to := name(random.IntN(accounts)), parties[random.IntN(len(parties))]
		if from == to {
			continue
		}
		transfers = append(transfers, fmt.Sprintf("transfer-%d", i))
		s.send(t, "transfer", transfers[len(transfers)-1], "request", map[string]any{
			"from": from, "to": to, "amount": random.Int64N(20_000) + 1, "currency": currencies[random.IntN(3)], "reference": "",
		})
	}
	ends := map[string]int{}
	for _, id := range transfers {
		eventually(t, id+" has come to its end", func() error {
			row, err := s.http.ViewRow(t.Context(), "transfers", id, nil)
			if err != nil {
				return err
			}
			status := parse[transferRow](t, row.Data).Status
			if !slices.Contains([]string{"completed", "refused", "returned"}, status) {
				return errors.New(status)
			}
			ends[status]++
			return nil
		})
	}
	if len(ends) != 3 {
		t.Errorf("not every kind of end has come about: %v", ends)
	}
}
