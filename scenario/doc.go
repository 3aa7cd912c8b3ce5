// Package scenario is a test kit for deciders, policies and projections that reads like a sentence:
//
//	scenario.Decider(t, account.Decider()).
//		Given(account.Opened{HolderID: "ann", Currency: "EUR"}, account.Deposited{Amount: 100, Currency: "EUR"}).
//		When(account.Withdraw{Amount: 30, Currency: "EUR"}).
//		Then(account.Withdrawn{HolderID: "ann", Amount: 30, Currency: "EUR"})
//
//	scenario.Policy(t, bank.TransferSteps()).
//		With(scenario.ID("t-1")).
//		When(transfer.Requested{From: "a", To: "b", Amount: 5, Currency: "EUR"}).
//		ThenSends(foldlog.Send{Aggregate: "account", ID: "a", Command: account.Debit{...}})
//
//	scenario.Projection(t, bank.Balances()).
//		With(scenario.ID("a-1")).
//		Given(account.Opened{HolderID: "ann", Currency: "EUR"}).
//		ThenRow("a-1", bank.BalancesRow{...})
//
// [Complete] finds the missing parts of the whole declared system: a case, a record, a field.
//
//	scenario.Complete(t, bank.Topology(), bankschemas.Files)
//
// It needs nothing of Kafka, so tests of users' own domains can use it.
//
// Invariants:
//
//  1. A domain's functions get the same arguments as from the engine: Validate runs before Decide,
//     versions count from 1, ids are derived as [foldlog.EventID] derives them, times are in UTC.
//  2. Expectations are exact and ordered. Nil and empty lists are the same; times are equal when
//     they are the same instant.
//  3. Every function of the domain is called twice. A function that answers differently or changes
//     its arguments fails the test: it would not be repeatable in production either.
//  4. A failure explains itself: it shows the history, the call, the expectation, the result, and
//     the first field that differs.
//  5. Nothing depends on the order in which a topology declares commands, events, policies and
//     projections, nor on the order of records in a schema.
package scenario
