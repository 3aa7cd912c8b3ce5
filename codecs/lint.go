package codecs

import (
	"io/fs"

	"github.com/foldlog/foldlog/schemas"
	"github.com/foldlog/foldlog/topology"
)

// Lint returns everything that is wrong with a declared system: its topology, its schema files, and
// the differences between Go types and Avro records. Types and records are compared once the rest
// is in order.
func Lint(t *topology.Topology, files fs.FS) []topology.Finding {
	findings := t.Lint()
	add := func(rule string, err error) {
		for _, problem := range schemas.Problems(err) {
			findings = append(findings, topology.Finding{Rule: rule, Where: "schemas", Problem: problem.Error()})
		}
	}
	set, err := schemas.Load(files, t)
	if err != nil || len(findings) > 0 {
		add("schema", err)
		return findings
	}
	b := &builder{set: set, topics: map[string]*topic{}}
	_, err = b.bindAll(t)
	add("go-type", err)
	return findings
}
