package avro

import (
	"fmt"
	"slices"
)

// Plan turns a value of one type into the canonical bytes of another: schema resolution by the Avro
// specification, worked out once for a pair of types. Reader and writer may be the same type. Then
// a plan checks the bytes and makes them canonical.
type Plan struct {
	op op
	// logical is the reader's logical type, whose range is checked.
	logical string
	// size of a fixed.
	size int
	// inner is the plan of array items, of map values, or of a value that is wrapped into a
	// reader's union.
	inner *Plan
	// index is the branch of the reader's union that opWrap writes.
	index int
	// branches of a writer's union.
	branches []branchPlan
	// symbols has, for each symbol of the writer's enum, the reader's index, or -1; names has the
	// writer's symbols.
	symbols []int
	names   []string
	// fields in the writer's order.
	fields []fieldPlan
	// defaults has, for each field of the reader, the bytes of its default if the writer lacks the
	// field, else nil.
	defaults [][]byte
	// copies has, for a retired field of the reader that the writer does not have, the reader's
	// field that it is a copy of.
	copies map[int]int
	// ordered is true if the writer's fields come in the reader's order and no default is needed.
	ordered bool
}

// op is the kind of the writer's and the reader's type, or one of those below.
type op = Kind

const (
	opWrap        = Record + 1 + iota // only the reader has a union
	opIntToFloat                      // also from long
	opIntToDouble                     // also from long
	opFloatToDouble
)

// branchPlan is the plan of one branch of a writer's union.
type branchPlan struct {
	// inner reads the branch. If lost is set, the result is thrown away.
	inner *Plan
	// index is the reader's branch, or -1 if the reader has no union.
	index int
	// lost says why the reader cannot take this branch, or is "".
	lost string
}

type fieldPlan struct {
	name  string
	inner *Plan
	// target is the reader's field, or -1 if it has none and the value is skipped.
	target int
}

// Compile returns the plan from the writer's type to the reader's, or the reason why there is none.
func Compile(writer, reader *Type) (*Plan, error) {
	return (&compiler{done: map[[2]*Type]*Plan{}}).compile(writer, reader)
}

type compiler struct {
	// A type that occurs in many places is worked out once; otherwise schemas could grow
	// exponentially.
	done map[[2]*Type]*Plan
}

func (c *compiler) compile(w, r *Type) (*Plan, error) {
	if p := c.done[[2]*Type{w, r}]; p != nil {
		return p, nil
	}
	p, err := c.work(w, r)
	if err == nil {
		c.done[[2]*Type{w, r}] = p
	}
	return p, err
}

func (c *compiler) work(w, r *Type) (*Plan, error) {
	switch {
	case w.Kind == Union:
		return c.union(w, r)
	case r.Kind == Union:
		i := BranchFor(w, r)
		if i < 0 {
			return nil, fmt.Errorf("%s is none of the types that are expected here", w.Describe())
		}
		inner, err := c.compile(w, r.Branches[i])
		if err != nil {
			return nil, err
		}
		return &Plan{op: opWrap, inner: inner, index: i}, nil
	case w.Kind != r.Kind:
		return promotion(w, r)
	}
	switch w.Kind {
	case Array:
		inner, err := c.compile(w.Items, r.Items)
		return &Plan{op: Array, inner: inner}, err
	case Map:
		inner, err := c.compile(w.Values, r.Values)
		return &Plan{op: Map, inner: inner}, err
	case Enum:
		return enumPlan(w, r)
	case Fixed:
		if !SameName(w, r) || w.Size != r.Size {
			return nil, fmt.Errorf("%s of %d bytes is not %s of %d", w.Describe(), w.Size, r.Describe(), r.Size)
		}
		return &Plan{op: Fixed, size: w.Size}, nil
	case Record:
		return c.record(w, r)
	}
	stated := w.Logical + w.Foreign // a writer that states none is taken at the reader's word
	if r.Logical != "" && stated != "" && stated != r.Logical {
		return nil, fmt.Errorf("logical type %s is not %s", stated, r.Logical)
	}
	return &Plan{op: w.Kind, logical: r.Logical}, nil
}

func promotion(w, r *Type) (*Plan, error) {
	switch {
	case !Promotes(w.Kind, r.Kind) || r.Logical != "":
		return nil, fmt.Errorf("%s cannot be read as %s", w.Describe(), r.Describe())
	case r.Kind == Double && w.Kind == Float:
		return &Plan{op: opFloatToDouble}, nil
	case r.Kind == Double:
		return &Plan{op: opIntToDouble}, nil
	case r.Kind == Float:
		return &Plan{op: opIntToFloat}, nil
	}
	// int as long, bytes as string and the reverse have the same bytes
	return &Plan{op: r.Kind}, nil
}

func enumPlan(w, r *Type) (*Plan, error) {
	if !SameName(w, r) {
		return nil, fmt.Errorf("%s is not %s", w.Describe(), r.Describe())
	}
	index := map[string]int{}
	for i, s := range r.Symbols {
		index[s] = i
	}
	p := &Plan{op: Enum, names: w.Symbols}
	for _, s := range w.Symbols {
		i, known := index[s]
		if !known && r.HasEnumDefault {
			i, known = index[r.EnumDefault]
		}
		if !known {
			i = -1
		}
		p.symbols = append(p.symbols, i)
	}
	return p, nil
}

func (c *compiler) union(w, r *Type) (*Plan, error) {
	p := &Plan{op: Union}
	readable := false
	for _, branch := range w.Branches {
		b, target, err := branchPlan{index: -1}, r, error(nil)
		if r.Kind == Union {
			if b.index = BranchFor(branch, r); b.index >= 0 {
				target = r.Branches[b.index]
			}
		}
		if r.Kind == Union && b.index < 0 {
			b.lost = fmt.Sprintf("holds %s, which is unknown here", branch.Describe())
		} else if b.inner, err = c.compile(branch, target); err != nil {
			b.lost = fmt.Sprintf("holds %s as this reader does not know it: %v", branch.Describe(), err)
		}
		readable = readable || b.lost == ""
		if b.lost != "" {
			if b.inner, err = c.compile(branch, branch); err != nil {
				return nil, err
			}
		}
		p.branches = append(p.branches, b)
	}
	if !readable {
		return nil, fmt.Errorf("nothing of %s can be read as %s", w.Describe(), r.Describe())
	}
	return p, nil
}

func (c *compiler) record(w, r *Type) (*Plan, error) {
	if !SameName(w, r) {
		return nil, fmt.Errorf("%s is not %s", w.Describe(), r.Describe())
	}
	p := &Plan{op: Record, defaults: make([][]byte, len(r.Fields))}
	targets := map[*Field]int{}
	for i := range r.Fields {
		rf := &r.Fields[i]
		if wf := w.FieldFor(rf); wf != nil {
			if _, taken := targets[wf]; !taken {
				targets[wf] = i
				continue
			}
		}
		if source := sourceOf(rf, w, r); source >= 0 {
			if p.copies == nil {
				p.copies = map[int]int{}
			}
			p.copies[i] = source
			continue
		}
		if !rf.HasDefault {
			return nil, fmt.Errorf("field %s.%s is not there and has no default", r.ShortName(), rf.Name)
		}
		p.defaults[i] = rf.Unsaid
	}
	p.ordered = len(w.Fields) == len(r.Fields)
	for i := range w.Fields {
		wf := &w.Fields[i]
		f := fieldPlan{name: wf.Name, target: -1}
		read := wf.Type
		if target, ok := targets[wf]; ok {
			f.target, f.name, read = target, r.Fields[target].Name, r.Fields[target].Type
		}
		inner, err := c.compile(wf.Type, read)
		if err != nil {
			return nil, fmt.Errorf("field %s.%s: %w", r.ShortName(), f.name, err)
		}
		f.inner = inner
		p.fields = append(p.fields, f)
		p.ordered = p.ordered && f.target == i
	}
	return p, nil
}

// sourceOf returns the reader's field that a retired field is a copy of. It returns -1 if the field
// is not retired or the writer lacks the other one, too.
func sourceOf(rf *Field, w, r *Type) int {
	if rf.CopyOf == "" || w.FieldFor(r.Field(rf.CopyOf)) == nil {
		return -1
	}
	return slices.IndexFunc(r.Fields, func(f Field) bool { return f.Name == rf.CopyOf })
}

// Loss names a value of the writer's type that has no place in the reader's; "" if there is none.
func (p *Plan) Loss() string { return p.loss(map[*Plan]bool{}) }

func (p *Plan) loss(seen map[*Plan]bool) string {
	if p == nil || seen[p] {
		return ""
	}
	seen[p] = true
	for i, symbol := range p.symbols {
		if symbol < 0 {
			return "the symbol " + p.names[i] + " is unknown here"
		}
	}
	for _, b := range p.branches {
		if b.lost != "" {
			return "it " + b.lost
		}
		if loss := b.inner.loss(seen); loss != "" {
			return loss
		}
	}
	for _, f := range p.fields {
		if f.target < 0 {
			continue
		}
		if loss := f.inner.loss(seen); loss != "" {
			return f.name + ": " + loss
		}
	}
	return p.inner.loss(seen)
}
