//go:build !race

package replay_test

// corruptionStride is how many corruptions there are for one that is tried.
const corruptionStride = 1
