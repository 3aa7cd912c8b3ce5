package bank

import (
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/bank/transfer"
	"github.com/foldlog/foldlog/topology"
)

// Declared names that code refers to.
//
// NB: must not change. Topics, consumer groups and ids of commands are derived from them.
const (
	AccountAggregate           = "account"
	TransferAggregate          = "transfer"
	TransferStepsPolicy        = "transfer-steps"
	TransferRepliesPolicy      = "transfer-replies"
	BalancesProjection         = "balances"
	AccountsByHolderProjection = "accounts-by-holder"
	DailyTurnoverProjection    = "daily-turnover"
	TransfersProjection        = "transfers"
)

// Topology returns the declared bank. Each call returns a new one.
//
// NB: names must not change.
func Topology() *topology.Topology {
	return topology.New("bank",
		topology.Aggregate(AccountAggregate, account.Decider(),
			topology.Commands(
				topology.Command[account.Open]("open", topology.Upcast(1, account.OpenV1.Upcast)),
				topology.Command[account.Deposit]("deposit"),
				topology.Command[account.Withdraw]("withdraw"),
				topology.Command[account.Freeze]("freeze"),
				topology.Command[account.Unfreeze]("unfreeze"),
				topology.Command[account.Close]("close"),
				topology.Command[account.Debit]("debit").Internal(),
				topology.Command[account.Credit]("credit").Internal(),
				topology.Command[account.Refund]("refund").Internal(),
			),
			topology.Events(
				topology.Event[account.Opened]("AccountOpened", topology.Upcast(1, account.OpenedV1.Upcast)),
				topology.Event[account.Deposited]("Deposited", topology.Upcast(1, account.DepositedV1.Upcast)),
				topology.Event[account.Withdrawn]("Withdrawn", topology.Upcast(1, account.WithdrawnV1.Upcast)),
				topology.Event[account.Frozen]("AccountFrozen", topology.Upcast(1, account.FrozenV1.Upcast)),
				topology.Event[account.Unfrozen]("AccountUnfrozen", topology.Upcast(1, account.UnfrozenV1.Upcast)),
				topology.Event[account.Closed]("AccountClosed", topology.Upcast(1, account.ClosedV1.Upcast)),
				topology.Event[account.Debited]("Debited", topology.Upcast(1, account.DebitedV1.Upcast)),
				topology.Event[account.DebitDeclined]("DebitDeclined", topology.Upcast(1, account.DebitDeclinedV1.Upcast)),
				topology.Event[account.Credited]("Credited", topology.Upcast(1, account.CreditedV1.Upcast)),
				topology.Event[account.CreditDeclined]("CreditDeclined", topology.Upcast(1, account.CreditDeclinedV1.Upcast)),
				topology.Event[account.Refunded]("Refunded", topology.Upcast(1, account.RefundedV1.Upcast)),
			),
		).UpcastState(topology.Upcast(1, account.AccountV1.Upcast)),
		topology.Aggregate(TransferAggregate, transfer.Decider(),
			topology.Commands(
				topology.Command[transfer.Request]("request"),
				topology.Command[transfer.ConfirmDebit]("confirm-debit").Internal(),
				topology.Command[transfer.DeclineDebit]("decline-debit").Internal(),
				topology.Command[transfer.ConfirmCredit]("confirm-credit").Internal(),
				topology.Command[transfer.DeclineCredit]("decline-credit").Internal(),
				topology.Command[transfer.ConfirmRefund]("confirm-refund").Internal(),
			),
			topology.Events(
				topology.Event[transfer.Requested]("TransferRequested"),
				topology.Event[transfer.Debited]("TransferDebited"),
				topology.Event[transfer.Refused]("TransferRefused"),
				topology.Event[transfer.Completed]("TransferCompleted"),
				topology.Event[transfer.Returning]("TransferReturning"),
				topology.Event[transfer.Returned]("TransferReturned"),
			),
		),
		topology.Policy(TransferStepsPolicy, TransferAggregate, TransferSteps(), AccountAggregate),
		topology.Policy(TransferRepliesPolicy, AccountAggregate, TransferReplies(), TransferAggregate),
		topology.Projection(BalancesProjection, AccountAggregate, Balances()).UpcastRow(topology.Upcast(1, BalancesRowV1.Upcast)),
		topology.Projection(AccountsByHolderProjection, AccountAggregate, AccountsByHolder()).UpcastRow(topology.Upcast(1, AccountsByHolderRowV1.Upcast)),
		topology.Projection(DailyTurnoverProjection, AccountAggregate, DailyTurnover()),
		topology.Projection(TransfersProjection, TransferAggregate, Transfers()),
	)
}
