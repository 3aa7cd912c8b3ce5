package check

import (
	"errors"
	"testing"
)

func TestBothFormsAreRead(t *testing.T) {
	account := func(fields map[string]any) map[string]any {
		fields["account_id"] = "a"
		return fields
	}
	for name, c := range map[string]struct {
		fields, want map[string]any
		err          error
	}{
		"a transfer's":          {map[string]any{"from": "a"}, map[string]any{"from": "a"}, nil},
		"the first form":        {map[string]any{"holder": "h"}, map[string]any{"holder_id": "h", "holder_name": "h"}, nil},
		"the second form":       {map[string]any{"holder": "h", "holder_id": "h", "holder_name": "n"}, map[string]any{"holder_id": "h", "holder_name": "n"}, nil},
		"a copy that is none":   {map[string]any{"holder": "x", "holder_id": "h", "holder_name": "n"}, nil, errRetired},
		"a row, first form":     {map[string]any{"holder": "h", "accounts": []any{account(map[string]any{})}}, map[string]any{"holder_id": "h", "accounts": []any{account(map[string]any{"holder_name": "h"})}}, nil},
		"a row, second form":    {map[string]any{"holder": "h", "holder_id": "h", "accounts": []any{account(map[string]any{"holder_name": "n"})}}, map[string]any{"holder_id": "h", "accounts": []any{account(map[string]any{"holder_name": "n"})}}, nil},
		"a row with a bad copy": {map[string]any{"holder": "", "holder_id": "h", "accounts": []any{}}, nil, errRetired},
	} {
		got, err := today(c.fields)
		if asCommand, again := commandToday(c.fields); name != "a row with a bad copy" && (!errors.Is(again, c.err) || again == nil && differ(asCommand, c.want) != "") {
			t.Errorf("%s, as a command: %v, %v", name, asCommand, again)
		}
		if !errors.Is(err, c.err) || err == nil && differ(got, c.want) != "" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// A producer that took the newest schema from the registry fills the fields that it knows.
func TestCommandsMayFillEitherForm(t *testing.T) {
	want := map[string]any{"holder_id": "h", "holder_name": "h"}
	for _, fields := range []map[string]any{
		{"holder": "h", "holder_id": "", "holder_name": ""}, {"holder": "", "holder_id": "h", "holder_name": "h"}, {"holder": "h", "holder_id": "h", "holder_name": "h"},
	} {
		if got, err := commandToday(fields); err != nil || differ(got, want) != "" {
			t.Errorf("%v: %v, %v", fields, got, err)
		}
	}
}
