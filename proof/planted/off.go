//go:build !planted

package planted

// Has reports whether a bug is planted. In the product none is.
func Has(Bug) bool { return false }

// Failpoint returns what is to be called at named places of the engine. In the product that is
// nothing.
func Failpoint() func(name string) { return nil }
