package schemas

import "fmt"

// Level says what a finding about schemas asks for.
type Level string

// Levels of findings.
const (
	// Refused is what must not be published: something could not be read, or would be read as
	// something else.
	Refused Level = "refused"
	// Doubtful is what the Avro specification allows and is seldom meant. Whoever adds the version
	// to the lock file means it.
	Doubtful Level = "doubtful"
	// Note is worth knowing.
	Note Level = "note"
)

// Finding is one thing to know about the schemas of a topic.
type Finding struct {
	Level Level `json:"level"`
	// Rule names the check, such as "default-changed".
	Rule string `json:"rule"`
	// Where is the file or the step between versions, such as "account.events v1 -> v2".
	Where string `json:"where"`
	// Problem says what is the matter and what to do.
	Problem string `json:"problem"`
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s [%s]", f.Where, f.Level, f.Problem, f.Rule)
}
