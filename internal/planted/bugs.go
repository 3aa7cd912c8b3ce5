package planted

// Bug names a deliberate breakage.
type Bug string

// Bugs of the engine.
const (
	NoGeneration Bug = "no-generation" // offsets are sent without the generation: nothing fences an old owner
)

// Bugs returns all of them.
func Bugs() []Bug {
	return []Bug{NoGeneration}
}
