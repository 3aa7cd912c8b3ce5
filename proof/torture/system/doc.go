// Package system starts the whole system as an operator would, from its real binary: brokers, a
// schema registry, topics, and instances with roles, each a process of its own that can be killed,
// frozen and booted again.
//
// It uses nothing of the product: what it knows of it is the command line, the HTTP interface and
// the layout of data directories.
//
// Invariants:
//
//  1. Everything listens on loopback, and no process outlives the driver.
//  2. An instance keeps its name, address and data directory over kills and boots.
//  3. All instances are given the same topic settings, those the topics were created with.
package system
