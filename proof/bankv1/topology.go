package bankv1

import (
	"github.com/foldlog/foldlog/bank"
	"github.com/foldlog/foldlog/bank/transfer"
	"github.com/foldlog/foldlog/proof/bankv1/account"
	"github.com/foldlog/foldlog/topology"
)

// Topology returns the declared bank. Each call returns a new one.
//
// NB: names must not change.
func Topology() *topology.Topology {
	return topology.New("bank",
		topology.Aggregate(bank.AccountAggregate, account.Decider(),
			topology.Commands(
				topology.Command[account.Open]("open"),
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
				topology.Event[account.Opened]("AccountOpened"),
				topology.Event[account.Deposited]("Deposited"),
				topology.Event[account.Withdrawn]("Withdrawn"),
				topology.Event[account.Frozen]("AccountFrozen"),
				topology.Event[account.Unfrozen]("AccountUnfrozen"),
				topology.Event[account.Closed]("AccountClosed"),
				topology.Event[account.Debited]("Debited"),
				topology.Event[account.DebitDeclined]("DebitDeclined"),
				topology.Event[account.Credited]("Credited"),
				topology.Event[account.CreditDeclined]("CreditDeclined"),
				topology.Event[account.Refunded]("Refunded"),
			),
		),
		topology.Aggregate(bank.TransferAggregate, transfer.Decider(),
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
		topology.Policy(bank.TransferStepsPolicy, bank.TransferAggregate, TransferSteps(), bank.AccountAggregate),
		topology.Policy(bank.TransferRepliesPolicy, bank.AccountAggregate, TransferReplies(), bank.TransferAggregate),
		topology.Projection(bank.BalancesProjection, bank.AccountAggregate, Balances()),
		topology.Projection(bank.AccountsByHolderProjection, bank.AccountAggregate, AccountsByHolder()),
		topology.Projection(bank.TransfersProjection, bank.TransferAggregate, bank.Transfers()),
	)
}
