//go:build !race

package exactlyonce

const simSeedsByDefault = 2000
