package check

import (
	"bytes"
	"encoding/json"

	"github.com/foldlog/foldlog/proof/history"
)

// clientCorruptions spoil what clients were told, and what was measured.
func clientCorruptions() []corruption {
	return []corruption{
		{"a client was told another version", "I1", "", func(k *kept, i *intact) {
			k.op(told, func(end *history.Op) { end.Version += 7; end.FirstVersion += 7 })
		}},
		{"a client was told other events", "I1", "", func(k *kept, i *intact) {
			k.op(told, func(end *history.Op) { end.EventIDs = []string{"another"} })
		}},
		{"a client was told of success, the log of refusal", "I1", "", func(k *kept, i *intact) {
			k.op(func(in, end history.Op) bool { return end.Code == "currency_mismatch" }, func(end *history.Op) { end.Code, end.Status = "", 200 })
		}},
		{"a client was told another code", "I1", "", func(k *kept, i *intact) {
			k.op(func(in, end history.Op) bool { return end.Code == "currency_mismatch" }, func(end *history.Op) { end.Code = "account_closed" })
		}},
		{"a client got another token", "I1", "I8", func(k *kept, i *intact) {
			k.op(told, func(end *history.Op) { end.Token = token(position{"account", 0, 77777}) })
		}},
		{"nothing was written, yet it is in the log", "I1", "", func(k *kept, i *intact) {
			k.op(func(in, end history.Op) bool { return in.CommandID == "c-3" }, func(end *history.Op) { end.Kind, end.Status, end.Code = history.Fail, 503, "unavailable" })
		}},
		{"an acknowledged record is not there", "I10", "", func(k *kept, i *intact) {
			k.op(func(in, end history.Op) bool { return in.Call == history.ProduceCall }, func(end *history.Op) { end.Offset += 1000 })
		}},
		{"a read goes back", "I8", "", func(k *kept, i *intact) {
			k.op(readAgain(), func(end *history.Op) { end.Version, end.Body = 1, nil })
		}},
		{"a read does not show the write before it", "I8", "", func(k *kept, i *intact) {
			k.op(func(in, end history.Op) bool { return isRead(history.StateCall)(in, end) && in.After != "" }, func(end *history.Op) { end.Version, end.Body = 1, nil })
		}},
		{"a read's position is before its token", "I8", "", func(k *kept, i *intact) {
			k.op(func(in, end history.Op) bool { return in.View == "daily-turnover" && in.After != "" }, func(end *history.Op) { end.Position = token(position{"account", 0, 0}) })
		}},
		{"a read shows what never was", "I8", "", func(k *kept, i *intact) {
			k.op(isRead(history.ViewCall), func(end *history.Op) { k.show(end, "balance", 123456) })
		}},
		{"a read of the second version shows what never was", "I8", "", func(k *kept, i *intact) {
			k.op(func(in, end history.Op) bool {
				return isRead(history.ViewCall)(in, end) && bytes.Contains(end.Body, []byte(depositedTotal))
			}, func(end *history.Op) { k.show(end, depositedTotal, 123456) })
		}},
		{"a read shows a version that does not exist", "I8", "", func(k *kept, i *intact) {
			k.op(isRead(history.StateCall), func(end *history.Op) { end.Version = 5000 })
		}},
		{"an account that was read is gone", "I8", "", func(k *kept, i *intact) {
			k.op(readAgain(), func(end *history.Op) { end.Status, end.Version, end.Body = 404, 0, nil })
		}},
		{"it takes long to settle", "I7", "", func(k *kept, i *intact) { k.run.Settled += 60e9 }},
		{"it never settles", "I7", "", func(k *kept, i *intact) { k.run.Settled = 0 }},
		{"descriptors leak", "I12", "", func(k *kept, i *intact) {
			for n := range k.samples {
				k.samples[n].FDs += n
			}
		}},
		{"goroutines leak", "I12", "", func(k *kept, i *intact) {
			for n := range k.samples {
				k.samples[n].Goroutines += 3 * n
			}
		}},
		{"memory leaks", "I12", "", func(k *kept, i *intact) {
			for n := range k.samples {
				k.samples[n].RSS += int64(n) << 21
			}
		}},
	}
}

// readAgain fits a client's read of a state that it has read before.
func readAgain() func(in, end history.Op) bool {
	seen := map[string]bool{}
	return func(in, end history.Op) bool {
		if !isRead(history.StateCall)(in, end) {
			return false
		}
		key := in.ID + "/" + itoa(int64(in.Client))
		again := seen[key] && in.After == ""
		seen[key] = true
		return again
	}
}

// show changes a field of what was read.
func (k *kept) show(end *history.Op, field string, value any) {
	var row map[string]any
	if err := json.Unmarshal(end.Body, &row); err != nil {
		k.t.Fatal(err)
	}
	row[field] = value
	end.Body, _ = json.Marshal(row)
}
