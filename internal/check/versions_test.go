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
		if !errors.Is(err, c.err) || err == nil && differ(got, c.want) != "" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
