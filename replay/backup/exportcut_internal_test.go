package backup

import (
	"reflect"
	"testing"

	"github.com/foldlog/foldlog"
)

// Between two looks at the offsets, account 0 handled a debit whose transfer's request was not
// handled when that group was looked at; the debit's event led to a confirmation.
func TestHandledCommandsHaveTheirCauses(t *testing.T) {
	at := func(aggregate string, partition int32, offset int64) foldlog.Position {
		return foldlog.Position{Aggregate: aggregate, Partition: partition, Offset: offset}
	}
	handled := map[string][]int64{"account": {12, 30}, "transfer": {7, 5}}
	commands := []sent{
		{at("transfer", 1, 4), "debited"}, // before the one that it follows from is taken back
		{at("account", 0, 10), "requested"},
		{at("account", 0, 11), "requested too"},
		{at("account", 1, 29), "older"},
		{at("account", 1, 31), "requested"}, // was not handled in any case
	}
	withCauses(handled, commands, map[string]foldlog.Position{
		"requested": at("transfer", 0, 7), "requested too": at("transfer", 0, 8), "debited": at("account", 0, 10), "older": at("transfer", 0, 6),
	})
	if want := map[string][]int64{"account": {10, 30}, "transfer": {7, 4}}; !reflect.DeepEqual(handled, want) {
		t.Errorf("%v, want %v", handled, want)
	}
}
