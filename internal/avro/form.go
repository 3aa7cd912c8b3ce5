package avro

import "slices"

// Current returns the type without retired fields ([Field.CopyOf]). A program works with this type
// and writes the full one. A type without retired fields is returned unchanged.
func (t *Type) Current() *Type { return current(t, map[*Type]*Type{}) }

func current(t *Type, done map[*Type]*Type) *Type {
	if c := done[t]; c != nil {
		return c
	}
	c := *t
	changed := false
	of := func(inner *Type) *Type {
		if inner == nil {
			return nil
		}
		now := current(inner, done)
		changed = changed || now != inner
		return now
	}
	c.Items, c.Values = of(t.Items), of(t.Values)
	c.Branches, c.Fields = slices.Clone(t.Branches), nil
	for i, b := range t.Branches {
		c.Branches[i] = of(b)
	}
	for _, f := range t.Fields {
		if f.CopyOf != "" {
			changed = true
			continue
		}
		f.Type = of(f.Type)
		c.Fields = append(c.Fields, f)
	}
	if !changed {
		done[t] = t
		return t
	}
	done[t] = &c
	return &c
}

// SameForm reports whether values of both types are the same bytes with the same meaning: the types
// differ at most in documentation, defaults and aliases.
func SameForm(a, b *Type) bool {
	if a == b {
		return true
	}
	if a.Kind != b.Kind || a.Name != b.Name || a.Logical != b.Logical || a.Foreign != b.Foreign || a.Size != b.Size ||
		len(a.Fields) != len(b.Fields) || len(a.Branches) != len(b.Branches) || !slices.Equal(a.Symbols, b.Symbols) {
		return false
	}
	for i := range a.Fields {
		if a.Fields[i].Name != b.Fields[i].Name || !SameForm(a.Fields[i].Type, b.Fields[i].Type) {
			return false
		}
	}
	for i := range a.Branches {
		if !SameForm(a.Branches[i], b.Branches[i]) {
			return false
		}
	}
	return (a.Items == nil || SameForm(a.Items, b.Items)) && (a.Values == nil || SameForm(a.Values, b.Values))
}

// Distance returns the number of fields, branches and symbols that only one of two types has: 0 for
// equal types. It finds the version that an unknown schema resembles most.
func Distance(a, b *Type) int { return distance(a, b, map[[2]*Type]bool{}) }

func distance(a, b *Type, seen map[[2]*Type]bool) (n int) {
	if a == b || seen[[2]*Type{a, b}] {
		return 0
	}
	seen[[2]*Type{a, b}] = true
	if a.Kind == Union || b.Kind == Union {
		return distanceOfUnions(a.Alternatives(), b.Alternatives(), seen)
	}
	if a.Kind != b.Kind {
		return 1
	}
	switch a.Kind {
	case Array:
		return distance(a.Items, b.Items, seen)
	case Map:
		return distance(a.Values, b.Values, seen)
	case Enum:
		shared := 0
		for _, s := range a.Symbols {
			if slices.Contains(b.Symbols, s) {
				shared++
			}
		}
		n = len(a.Symbols) + len(b.Symbols) - 2*shared
	case Record:
		matched := 0
		for i := range b.Fields {
			if f := a.FieldFor(&b.Fields[i]); f != nil {
				matched++
				n += distance(f.Type, b.Fields[i].Type, seen)
			}
		}
		n += len(a.Fields) + len(b.Fields) - 2*matched
	}
	return n
}

// Alternatives returns the branches of a union, and of another type the type itself.
func (t *Type) Alternatives() []*Type {
	if t.Kind == Union {
		return t.Branches
	}
	return []*Type{t}
}

func distanceOfUnions(a, b []*Type, seen map[[2]*Type]bool) (n int) {
	matched := 0
	for _, branch := range a {
		if i := BranchFor(branch, &Type{Kind: Union, Branches: b}); i >= 0 {
			matched++
			n += distance(branch, b[i], seen)
		}
	}
	return n + max(0, len(a)-matched) + max(0, len(b)-matched)
}
