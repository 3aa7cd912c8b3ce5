// Package address checks the addresses that users give, and keeps their secrets out of sight.
//
// Invariants:
//
//  1. No error repeats a user or a password that stands in an address.
package address
