package schemas

import "fmt"

// Level is the weight of a finding about schemas.
type Level string

// Levels of findings.
const (
	// Refused changes must not be published: data could not be read, or would be read as something
	// else.
	Refused Level = "refused"
	// Doubtful changes are allowed by the Avro specification and seldom meant. An author who adds
	// the version to the lock file means it.
	Doubtful Level = "doubtful"
	// Note is worth knowing.
	Note Level = "note"
)

// Finding is one remark about the schemas of a topic.
type Finding struct {
	Level Level `json:"level"`
	// Rule names the check, such as "default-changed".
	Rule string `json:"rule"`
	// Where is the file or the step between versions, such as "account.events v1 -> v2".
	Where string `json:"where"`
	// Problem names the problem and the remedy.
	Problem string `json:"problem"`
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s [%s]", f.Where, f.Level, f.Problem, f.Rule)
}
