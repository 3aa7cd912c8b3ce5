package check

import "errors"

// What records say has had two forms. In the first an account had one holder, which the second
// takes for the holder's id and name; it still writes the id under the old name, too. Money had no
// channel.

const unknownChannel = "unknown"

var errRetired = errors.New("holder is not what holder_id is, which it is a copy of")

// today returns the fields of a record in the second form. The map is not changed.
func today(fields map[string]any) (map[string]any, error) {
	old, has := fields["holder"]
	if !has {
		return fields, nil
	}
	id, both := fields["holder_id"]
	if both && id != old {
		return nil, errRetired
	}
	out := map[string]any{}
	for name, value := range fields {
		if name != "holder" {
			out[name] = value
		}
	}
	out["holder_id"] = old
	accounts, isList := fields["accounts"].([]any)
	switch {
	case both:
	case isList: // a holder's row, which has the names with the accounts
		list := []any{}
		for _, one := range accounts {
			account := map[string]any{"holder_name": old}
			if fields, ok := one.(map[string]any); ok {
				for name, value := range fields {
					account[name] = value
				}
			}
			list = append(list, account)
		}
		out["accounts"] = list
	default:
		out["holder_name"] = old
	}
	return out, nil
}

// commandToday is [today] for what producers write, who may fill the old field alone, the new ones
// alone, or both alike.
func commandToday(fields map[string]any) (map[string]any, error) {
	out := map[string]any{}
	for name, value := range fields {
		out[name] = value
	}
	old, has := fields["holder"]
	id, both := fields["holder_id"]
	switch {
	case has && both && old == "":
		delete(out, "holder")
	case has && both && id == "":
		delete(out, "holder_id")
		delete(out, "holder_name")
	}
	return today(out)
}
