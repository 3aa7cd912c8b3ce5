// Package processors turns a topology into consumer groups: what happens to a command, an event, a
// row. The groups are run by one of the runners below this package.
//
// Invariants:
//
//  1. Each command record leads to exactly one outcome, or to exactly one dead letter if its key or
//     id cannot be read. A rejected command of a policy leads to both, since nobody waits for the
//     outcome.
//  2. An outcome that is not a repeat is written together with its events and the aggregate's row.
//  3. Versions of an aggregate are 1, 2, 3, ...; its events' recorded time never goes backwards;
//     each event's chain value covers the one before it.
//  4. The same input record, delivered again, gives the same ids (foldlog.EventID,
//     foldlog.PolicyCommandID).
//  5. A command id that is repeated within the horizon changes nothing. An internal_error does not
//     count: the next command with the id is a new attempt.
//  6. Of a projection, the serving version and the one kept beside it are run. A version that is
//     being filled is run only if it alone is asked for.
//  7. No input stops a group. Only infrastructure is tried again (passing). Whatever else the
//     domain's code or a foreign record leads to, the input is answered or set aside, with the
//     stack of a panic in the log. Every record fits into its topic before the transaction begins.
package processors
