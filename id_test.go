package foldlog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/foldlog/foldlog"
)

func TestCheckAggregateID(t *testing.T) {
	for _, good := range []string{"a", "A-1", "berka-1787", "-_.:~", "...", "_", "_a_", "a__", strings.Repeat("x", 200), "views"} {
		if err := foldlog.CheckAggregateID(good); err != nil {
			t.Errorf("%q is refused: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", ".", "..", "__", "__offset", "__foldlog-progress/x", strings.Repeat("x", 201), "a b", "a/b", "a%2Fb", "ä", "a\x00", "a\n", "a,b", "\xff", "a@b", "[", "{", "`",
	} {
		err := foldlog.CheckAggregateID(bad)
		r, ok := foldlog.AsRejection(err)
		if !ok || r.Code != foldlog.CodeInvalidField || r.Field != "aggregate_id" || r.Message == "" {
			t.Errorf("%q gives %v, want invalid_field of aggregate_id", bad, err)
		}
	}
}

func TestCheckCommandID(t *testing.T) {
	for _, good := range []string{"a", "!", "~", "account.commands-3-17", "550e8400-e29b-41d4-a716-446655440000", "a/b?c=d", strings.Repeat("x", 200)} {
		if err := foldlog.CheckCommandID(good); err != nil {
			t.Errorf("%q is refused: %v", good, err)
		}
	}
	for _, bad := range []string{"", " ", "a b", "a\t", "ä", "a\x7f", "a\x00", strings.Repeat("x", 201)} {
		r, ok := foldlog.AsRejection(foldlog.CheckCommandID(bad))
		if !ok || r.Code != foldlog.CodeInvalidField || r.Field != "command_id" {
			t.Errorf("%q gives %v, want invalid_field of command_id", bad, r)
		}
	}
}

// TestDerivedIDs has ids that Python's uuid.uuid5 computed. Stored events carry such ids, so they
// must never change.
func TestDerivedIDs(t *testing.T) {
	for got, want := range map[string]string{
		foldlog.EventID("c-1", "a-1", 0):                    "ef879768-cdd8-530f-9f4c-16f166e3f48d",
		foldlog.EventID("c-1", "a-1", 1):                    "5a857d1f-f725-5241-acd1-b1c3b8285038",
		foldlog.PolicyCommandID("transfer-steps", "e-1", 0): "e5f12de9-3944-579d-8a2e-8f9dc1710446",
	} {
		if got != want {
			t.Errorf("the id is %s, want %s", got, want)
		}
	}
}

// TestDerivedIDsDiffer has inputs that would be the same if they were only put one behind the
// other.
func TestDerivedIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	ids := []string{
		foldlog.EventID("ab", "c", 1), foldlog.EventID("a", "bc", 1), foldlog.EventID("ab", "c1", 1), foldlog.EventID("ab", "c", 11),
		foldlog.EventID("c", "ab", 1), foldlog.PolicyCommandID("ab", "c", 1), foldlog.PolicyCommandID("a", "bc", 1),
	}
	for _, id := range ids {
		seen[id] = true
		if foldlog.CheckCommandID(id) != nil {
			t.Errorf("%q cannot be a command's id", id)
		}
	}
	if len(seen) != len(ids) {
		t.Errorf("%d different ids for %d inputs", len(seen), len(ids))
	}
}

func TestRejections(t *testing.T) {
	plain, field := foldlog.Reject("wrong_state", "it is %s", "closed"), foldlog.InvalidField("amount", "is %d", 0)
	if plain.Error() != "wrong_state: it is closed" || field.Error() != "invalid_field: amount: is 0" {
		t.Errorf("the texts are %q and %q", plain, field)
	}
	if r, ok := foldlog.AsRejection(errors.Join(errors.New("other"), plain)); !ok || r != plain {
		t.Errorf("the rejection inside is %v", r)
	}
	for _, none := range []error{nil, errors.New("other"), foldlog.Unhandled(1)} {
		if r, ok := foldlog.AsRejection(none); ok {
			t.Errorf("%v is taken for the rejection %v", none, r)
		}
	}
	if text := foldlog.Unhandled(struct{}{}).Error(); !strings.Contains(text, "struct {}") {
		t.Errorf("%q does not name the type", text)
	}
}

func TestOutcome(t *testing.T) {
	position := foldlog.Position{Aggregate: "account", Partition: 3, Offset: 7}
	accepted := foldlog.Outcome{Accepted: true, EventIDs: []string{"e"}, Position: position}
	if accepted.Rejection() != nil || accepted.Token().String() != (foldlog.Token{position}).String() {
		t.Errorf("an accepted outcome gives %v, %v", accepted.Rejection(), accepted.Token())
	}
	if withoutEffect := (foldlog.Outcome{Accepted: true, Position: position}); withoutEffect.Token() != nil {
		t.Errorf("nothing happened, and the token is %v", withoutEffect.Token())
	}
	rejected := foldlog.Outcome{Code: "invalid_field", Message: "is 0", Field: "amount", EventIDs: []string{"e"}, Position: position}
	if r := rejected.Rejection(); r == nil || *r != *foldlog.InvalidField("amount", "is 0") || rejected.Token() != nil {
		t.Errorf("a rejected outcome gives %v, %v", r, rejected.Token())
	}
}
