package banknext

import (
	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
)

// HolderCountRow is how many accounts were opened for a holder: a re-keyed projection with other
// rows than before, under another choice of events.
type HolderCountRow struct {
	Holder string `json:"holder"`
	Count  int64  `json:"count"`
}

// HolderCounts projects accounts to the holders that they were opened for.
func HolderCounts() foldlog.Projection[HolderCountRow, account.Event] {
	return foldlog.Projection[HolderCountRow, account.Event]{
		Key: func(event foldlog.Event[account.Event]) string {
			if opened, ok := event.Data.(account.Opened); ok {
				return opened.HolderID
			}
			return ""
		},
		Project: func(row HolderCountRow, event foldlog.Event[account.Event]) HolderCountRow {
			return HolderCountRow{event.Data.(account.Opened).HolderID, row.Count + 1}
		},
	}
}
