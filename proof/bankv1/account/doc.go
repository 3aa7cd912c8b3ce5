// Package account is a frozen copy of bank/account as it was before its events changed. Only
// package bankv1 imports it.
//
// Invariants:
//
//  1. It is never changed, other than to keep it compiling.
package account
