package bank_test

import (
	"math/big"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/transfer"
)

// book is the second model of the bank, written from the contract and not from the code: a list of
// entries that is never summed up ahead, numbers without a range, and a table of what stands
// against what. It shares no function and no constant with the deciders.
type book struct {
	accounts  map[string]*folder
	transfers map[string]string // transfer id -> last thing that was said about it
	entries   []entry
}

// folder is what is known of an account besides its money.
type folder struct {
	currency string
	limit    *big.Int // nil: none
	stamps   []string // "opened", "frozen", "unfrozen", "closed", oldest first
}

type entry struct {
	account string
	amount  *big.Int
}

// question is a command in the words of the contract.
type question struct {
	word     string
	id       string // of the account or transfer that is asked
	currency string
	amount   int64
	invalid  bool // a field is wrong, whatever the state
	to       string
	from     string
	holder   string
	limit    int64
}

func newBook() *book { return &book{accounts: map[string]*folder{}, transfers: map[string]string{}} }

func (b *book) balance(id string) *big.Int {
	sum := new(big.Int)
	for _, e := range b.entries {
		if e.account == id {
			sum.Add(sum, e.amount)
		}
	}
	return sum
}

func (b *book) after(q question, sign int64) *big.Int {
	change := new(big.Int).Mul(big.NewInt(sign), big.NewInt(q.amount))
	return change.Add(change, b.balance(q.id))
}

func (b *book) lastStamp(id string) string {
	f := b.accounts[id]
	if f == nil {
		return ""
	}
	return f.stamps[len(f.stamps)-1]
}

func power(exponent uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), exponent) }

var (
	trillions    = new(big.Int).Exp(big.NewInt(10), big.NewInt(15), nil)
	highest      = power(62)
	lowest       = new(big.Int).Neg(power(62))
	highestEver  = new(big.Int).Sub(power(63), big.NewInt(1))
	threeLetters = regexp.MustCompile(`\A[A-Z]{3}\z`)
	anID         = regexp.MustCompile(`\A[-A-Za-z0-9_.:~]{1,200}\z`)
)

// objections are all reasons against a command, in the contract's order, each with the words that
// it can stand against.
var objections = []struct {
	code   string
	words  string
	stands func(b *book, q question) bool
}{
	{"invalid_field", "*", func(b *book, q question) bool { return q.invalid }},
	{"unknown_aggregate", "deposit withdraw freeze unfreeze close debit credit refund", func(b *book, q question) bool { return b.accounts[q.id] == nil }},
	{"already_exists", "open", func(b *book, q question) bool { return b.accounts[q.id] != nil }},
	{"account_closed", "deposit withdraw freeze unfreeze close debit credit", func(b *book, q question) bool { return b.lastStamp(q.id) == "closed" }},
	{"account_frozen", "deposit withdraw freeze close debit credit", func(b *book, q question) bool { return b.lastStamp(q.id) == "frozen" }},
	{"currency_mismatch", "deposit withdraw debit credit refund", func(b *book, q question) bool { return b.accounts[q.id].currency != q.currency }},
	{"amount_not_positive", "deposit withdraw debit credit refund request", func(b *book, q question) bool { return big.NewInt(q.amount).Sign() < 1 }},
	{"amount_overflow", "deposit withdraw debit credit refund request", func(b *book, q question) bool { return big.NewInt(q.amount).Cmp(trillions) > 0 }},
	{"amount_overflow", "deposit credit", func(b *book, q question) bool { return b.after(q, +1).Cmp(highest) > 0 }},
	{"amount_overflow", "withdraw debit", func(b *book, q question) bool { return b.after(q, -1).Cmp(lowest) < 0 }},
	{"amount_overflow", "refund", func(b *book, q question) bool { return b.after(q, +1).Cmp(highestEver) > 0 }},
	{"insufficient_funds", "withdraw debit", func(b *book, q question) bool {
		limit := b.accounts[q.id].limit
		return limit != nil && new(big.Int).Add(b.after(q, -1), limit).Sign() < 0
	}},
	{"balance_not_zero", "close", func(b *book, q question) bool { return b.balance(q.id).Sign() != 0 }},
	{"same_account", "request", func(b *book, q question) bool { return q.from == q.to }},
	{"wrong_state", "unfreeze", func(b *book, q question) bool { return b.lastStamp(q.id) != "frozen" }},
	{"wrong_state", "request confirm-debit decline-debit confirm-credit decline-credit confirm-refund", func(b *book, q question) bool {
		return b.transfers[q.id] != before[q.word]
	}},
}

// before is what was last said about a transfer when a word can be said to it.
var before = map[string]string{
	"request": "", "confirm-debit": "request", "decline-debit": "request", "confirm-credit": "confirm-debit", "decline-credit": "confirm-debit",
	"confirm-refund": "decline-credit",
}

// statusOf is the status that the contract gives to a transfer about which this was last said.
var statusOf = map[string]transfer.Status{
	"": "none", "request": "requested", "confirm-debit": "debited", "decline-debit": "refused", "confirm-credit": "completed",
	"decline-credit": "returning", "confirm-refund": "returned",
}

// judge returns the code of the first objection, "" if there is none.
func (b *book) judge(q question) string {
	for _, o := range objections {
		if (o.words == "*" || strings.Contains(" "+o.words+" ", " "+q.word+" ")) && o.stands(b, q) {
			return o.code
		}
	}
	return ""
}

// enter writes down what was not objected to.
func (b *book) enter(q question) {
	switch q.word {
	case "open":
		f := &folder{currency: q.currency, stamps: []string{"opened"}}
		if q.limit >= 0 {
			f.limit = big.NewInt(q.limit)
		}
		b.accounts[q.id] = f
	case "deposit", "credit", "refund":
		b.entries = append(b.entries, entry{q.id, big.NewInt(q.amount)})
	case "withdraw", "debit":
		b.entries = append(b.entries, entry{q.id, new(big.Int).Neg(big.NewInt(q.amount))})
	case "freeze", "unfreeze", "close":
		stamp := map[string]string{"freeze": "frozen", "unfreeze": "unfrozen", "close": "closed"}[q.word]
		b.accounts[q.id].stamps = append(b.accounts[q.id].stamps, stamp)
	default:
		b.transfers[q.id] = q.word
	}
}

// status is what the contract calls the account's condition.
func (b *book) status(id string) account.Status {
	return map[string]account.Status{"": "none", "opened": "open", "unfrozen": "open", "frozen": "frozen", "closed": "closed"}[b.lastStamp(id)]
}

// ask puts a command into the words of the contract.
func ask(id string, command any) question {
	q := question{id: id}
	badMoney := func(currency string) bool { q.currency = currency; return !threeLetters.MatchString(currency) }
	badText := func(text string, most int) bool {
		return utf8.RuneCountInString(text) > most || strings.ToValidUTF8(text, "") != text
	}
	badID := func(ids ...string) bool {
		for _, id := range ids {
			if !anID.MatchString(id) || strings.HasPrefix(id, "__") || id == "." || id == ".." {
				return true
			}
		}
		return false
	}
	switch c := command.(type) {
	case account.Open:
		q.word, q.holder, q.limit = "open", c.HolderID, c.OverdraftLimit
		tooHigh := big.NewInt(c.OverdraftLimit).Cmp(trillions) > 0
		q.invalid = badMoney(c.Currency) || len(strings.Fields(c.HolderID)) == 0 || badText(c.HolderID, 200) ||
			len(strings.Fields(c.HolderName)) == 0 || badText(c.HolderName, 200) || tooHigh || c.OverdraftLimit < -1
	case account.Deposit:
		q.word, q.amount = "deposit", c.Amount
		q.invalid = badMoney(c.Currency) || badText(c.Reference, 200) || badText(c.Channel, 50)
	case account.Withdraw:
		q.word, q.amount = "withdraw", c.Amount
		q.invalid = badMoney(c.Currency) || badText(c.Reference, 200) || badText(c.Channel, 50)
	case account.Freeze:
		q.word, q.invalid = "freeze", badText(c.Reason, 500)
	case account.Unfreeze:
		q.word, q.invalid = "unfreeze", badText(c.Reason, 500)
	case account.Close:
		q.word, q.invalid = "close", badText(c.Reason, 500)
	case account.Debit:
		q.word, q.amount = "debit", c.Amount
		q.invalid = badMoney(c.Currency) || badID(c.TransferID, c.Counterparty)
	case account.Credit:
		q.word, q.amount = "credit", c.Amount
		q.invalid = badMoney(c.Currency) || badID(c.TransferID, c.Counterparty)
	case account.Refund:
		q.word, q.amount = "refund", c.Amount
		q.invalid = badMoney(c.Currency) || badID(c.TransferID, c.Counterparty)
	case transfer.Request:
		q.word, q.amount, q.from, q.to = "request", c.Amount, c.From, c.To
		q.invalid = badMoney(c.Currency) || badID(c.From, c.To) || badText(c.Reference, 200)
	case transfer.ConfirmDebit:
		q.word, q.invalid = "confirm-debit", badText(c.Reason, 500)
	case transfer.DeclineDebit:
		q.word, q.invalid = "decline-debit", badText(c.Reason, 500)
	case transfer.ConfirmCredit:
		q.word, q.invalid = "confirm-credit", badText(c.Reason, 500)
	case transfer.DeclineCredit:
		q.word, q.invalid = "decline-credit", badText(c.Reason, 500)
	case transfer.ConfirmRefund:
		q.word, q.invalid = "confirm-refund", badText(c.Reason, 500)
	}
	return q
}
