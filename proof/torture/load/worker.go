package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/proof/history"
)

// worker is one client that does one thing after the other.
type worker struct {
	caller   *Caller
	number   int
	prefix   string
	accounts *Accounts
	random   *rand.Rand

	commands  int
	last      client.Command // to repeat
	versions  map[string]int64
	transfers []string
	token     foldlog.Token // of the last write to an account
	moved     foldlog.Token // of the last write to a transfer
	position  foldlog.Token // of the last read
}

// run does things at a pace until begin ends; what is under way then is finished, unless ctx ends.
// Things that could not be done in time are left out, not made up for.
func (w *worker) run(ctx, begin context.Context, every time.Duration) {
	next := time.Now().Add(time.Duration(w.random.Int64N(int64(every))))
	for pause(begin, time.Until(next)) == nil {
		w.act(ctx)
		if next = next.Add(every); time.Since(next) > every {
			next = time.Now()
		}
	}
}

// open opens accounts, one after the other.
func (w *worker) open(ctx context.Context, ids []string) {
	for _, id := range ids {
		if ctx.Err() != nil {
			return
		}
		w.send(ctx, w.opening(id))
	}
}

func (w *worker) opening(id string) client.Command {
	limit := []int64{0, 0, 5000, -1}[w.random.IntN(4)]
	data := map[string]any{"holder_id": holderOf(id), "holder_name": "the holder of " + id, "currency": currency, "overdraft_limit": limit}
	if limit == 0 { // as a producer that was never upgraded
		data = map[string]any{"holder": holderOf(id), "currency": currency, "overdraft_limit": limit}
	}
	return client.Command{Aggregate: "account", ID: id, Type: "open", Data: data}
}

// act does one thing.
func (w *worker) act(ctx context.Context) {
	switch n := w.random.IntN(100); {
	case n < 26:
		w.send(ctx, w.cash("deposit", 1000))
	case n < 44:
		w.send(ctx, w.cash("withdraw", 1500))
	case n < 60:
		w.transfer(ctx)
	case n < 66:
		w.conditional(ctx)
	case n < 69:
		w.send(ctx, w.opening(w.accounts.any(w.random))) // mostly already_exists
	case n < 71:
		w.send(ctx, w.reason("freeze"))
	case n < 76:
		w.send(ctx, w.reason("unfreeze"))
	case n < 79:
		w.close(ctx)
	case n < 83:
		w.repeat(ctx, false)
	case n < 85:
		w.repeat(ctx, true)
	default:
		w.read(ctx)
	}
}

func (w *worker) cash(kind string, most int64) client.Command {
	data := map[string]any{"amount": 1 + w.random.Int64N(most), "currency": currency, "reference": fmt.Sprintf("w%d", w.number)}
	switch w.random.IntN(40) {
	case 0:
		data["currency"] = "USD" // currency_mismatch
	case 1:
		data["amount"] = 0 // amount_not_positive
	case 2:
		data["booked_on"] = "2026-02-30" // invalid_field: no such day
	case 3:
		data["booked_on"] = "2026-02-28"
	}
	return client.Command{Aggregate: "account", ID: w.accounts.any(w.random), Type: kind, Data: data}
}

func (w *worker) reason(kind string) client.Command {
	return client.Command{Aggregate: "account", ID: w.accounts.any(w.random), Type: kind, Data: map[string]any{"reason": "torture"}}
}

func (w *worker) transfer(ctx context.Context) {
	from, to := w.accounts.two(w.random)
	id := fmt.Sprintf("%stx-%d-%d", w.prefix, w.number, w.commands)
	w.transfers = append(w.transfers, id)
	w.send(ctx, client.Command{Aggregate: "transfer", ID: id, Type: "request",
		Data: map[string]any{"from": from, "to": to, "amount": 1 + w.random.Int64N(800), "currency": currency, "reference": ""}})
}

// conditional expects the version that this client saw last, which may be an old one.
func (w *worker) conditional(ctx context.Context) {
	command := w.cash("deposit", 500)
	if version, seen := w.versions[command.ID]; seen {
		command.ExpectedVersion = &version
	} else {
		w.remember(command.ID, w.caller.state(ctx, w.number, w.target(), "account", command.ID, nil))
		version := w.versions[command.ID]
		command.ExpectedVersion = &version
	}
	w.send(ctx, command)
}

// close takes out what there is and closes the account.
func (w *worker) close(ctx context.Context) {
	command := w.reason("close")
	if a := w.send(ctx, command); a.kind == history.OK && (a.outcome.Accepted || a.code == "account_closed") {
		if fresh := w.accounts.replace(command.ID); fresh != "" {
			w.send(ctx, w.opening(fresh))
		}
	}
}

// repeat sends the last command again under the same id, or something else under it.
func (w *worker) repeat(ctx context.Context, other bool) {
	command := w.last
	if command.CommandID == "" {
		return
	}
	if other {
		replacement := w.cash("deposit", 77)
		if command.Aggregate == "account" {
			command.Type, command.Data = replacement.Type, replacement.Data
		} else {
			from, to := w.accounts.two(w.random)
			command.Data = map[string]any{"from": from, "to": to, "amount": 7, "currency": currency, "reference": "other"}
		}
	}
	w.caller.command(ctx, w.number, w.random.IntN(len(w.caller.Targets)), command)
}

// send sends a command under a new id and remembers it.
func (w *worker) send(ctx context.Context, command client.Command) answer {
	w.commands++
	command.CommandID = fmt.Sprintf("%sw%d-%d", w.prefix, w.number, w.commands)
	w.last = command
	a := w.caller.command(ctx, w.number, w.random.IntN(len(w.caller.Targets)), command)
	if a.kind != history.OK || !a.outcome.Accepted {
		return a
	}
	if command.Aggregate == "account" {
		w.versions[command.ID], w.token = a.version, a.token
	} else {
		w.moved = a.token
	}
	return a
}

// read reads a state or a row, with or without asking for what this client has seen or written.
func (w *worker) read(ctx context.Context) {
	after := w.token
	switch w.random.IntN(4) {
	case 0:
		after = nil
	case 1:
		after = w.position
	}
	target, account := w.target(), w.accounts.any(w.random)
	switch w.random.IntN(6) {
	case 0, 1:
		w.remember(account, w.caller.state(ctx, w.number, target, "account", account, after))
	case 2:
		w.seen(w.caller.row(ctx, w.number, target, "balances", account, after))
	case 3:
		w.seen(w.caller.row(ctx, w.number, target, "accounts-by-holder", holderOf(account), after))
	case 4:
		w.seen(w.caller.row(ctx, w.number, target, "daily-turnover", "2026-02-28:"+currency, after))
	default:
		if len(w.transfers) == 0 {
			return
		}
		id := w.transfers[w.random.IntN(len(w.transfers))]
		if w.random.IntN(2) == 0 {
			w.caller.state(ctx, w.number, target, "transfer", id, w.moved)
		} else {
			w.caller.row(ctx, w.number, target, "transfers", id, w.moved)
		}
	}
}

func (w *worker) seen(a answer) {
	if a.kind == history.OK && len(a.token) > 0 {
		w.position = a.token
	}
}

func (w *worker) remember(account string, a answer) {
	w.seen(a)
	if a.kind == history.OK {
		w.versions[account] = a.version
	}
}

func (w *worker) target() Target { return w.caller.Targets[w.random.IntN(len(w.caller.Targets))] }
