//go:build race

package replay_test

// corruptionStride is how many corruptions there are for one that is tried: with the race detector
// each costs a second, and races do not depend on what is corrupted.
const corruptionStride = 8
