package bankapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/client"
)

// mismatch is an account whose balance is not the sum of its rows.
type mismatch struct {
	Account string `json:"account"`
	// Rows is the sum of the files' rows, Balance the account's balance, both in haleru.
	Rows    int64 `json:"rows"`
	Balance int64 `json:"balance"`
	// Problem says why there is no balance to compare.
	Problem string `json:"problem,omitempty"`
}

// Error names the difference and possible reasons.
func (m mismatch) Error() string {
	if m.Problem != "" {
		return fmt.Sprintf("%s: the rows add up to %s, but %s", m.Account, crowns(m.Rows), m.Problem)
	}
	return fmt.Sprintf("%s: the rows add up to %s, the balance is %s: rows were refused, or the account has other movements", m.Account,
		crowns(m.Rows), crowns(m.Balance))
}

func crowns(haleru int64) string {
	sign := ""
	size := uint64(haleru)
	if haleru < 0 {
		sign, size = "-", -size // exact for the smallest int64, too
	}
	return fmt.Sprintf("%s%d.%02d %s", sign, size/100, size%100, importCurrency)
}

// reconcile reads each account's balance, as of its last command, and returns those that differ
// from the sum of their rows, in the accounts' order.
func reconcile(ctx context.Context, c *client.Client, accounts []planned, tokens map[string]foldlog.Token, workers int,
	done func()) ([]mismatch, error) {
	found := make([]*mismatch, len(accounts))
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i, a := range accounts {
		group.Go(func() error {
			m, err := reconcileOne(ctx, c, a, tokens[a.id])
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			found[i] = m
			done()
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var mismatches []mismatch
	for _, m := range found {
		if m != nil {
			mismatches = append(mismatches, *m)
		}
	}
	return mismatches, nil
}

// reconcileOne returns nil if the balance is right.
func reconcileOne(ctx context.Context, c *client.Client, a planned, token foldlog.Token) (*mismatch, error) {
	state, err := c.State(ctx, bank.AccountAggregate, a.id, token)
	var problem *client.Problem
	switch {
	case errors.As(err, &problem) && problem.Status == http.StatusNotFound:
		return &mismatch{Account: a.id, Rows: a.balance, Problem: "there is no such account"}, nil
	case err != nil:
		return nil, err
	}
	var have account.Account
	if err := json.Unmarshal(state.Data, &have); err != nil {
		return nil, fmt.Errorf("read the state of account %s: %w", a.id, err)
	}
	switch {
	case have.Currency != importCurrency:
		return &mismatch{Account: a.id, Rows: a.balance, Balance: have.Balance, Problem: fmt.Sprintf("the account is in %q", have.Currency)}, nil
	case have.Balance != a.balance:
		return &mismatch{Account: a.id, Rows: a.balance, Balance: have.Balance}, nil
	}
	return nil, nil
}
