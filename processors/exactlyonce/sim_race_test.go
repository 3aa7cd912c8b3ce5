//go:build race

package exactlyonce

// The race detector makes a run ten times as slow.
const simSeedsByDefault = 200
