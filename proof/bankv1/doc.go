// Package bankv1 is the bank as it was before its events changed: the program of yesterday, in
// tests of upgrades.
//
// It is a frozen copy of the account with its policies and projections, on the first versions of
// the schema files. Transfers, which have not changed, are the bank's own, and the projection
// daily-turnover is left out: for this program it is one that only the newer release has. [Next] is
// the release that came after it. What the bank gets later breaks neither. It is for its own tests.
//
// Invariants:
//
//  1. It is never changed, other than to keep it compiling: what it writes stands for what is in
//     logs.
//  2. It sees version 1 of every schema and no other.
//  3. Names of aggregates, commands, events, policies and projections are the bank's.
package bankv1
