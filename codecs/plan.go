package codecs

import (
	"fmt"
	"slices"

	"github.com/foldlog/foldlog/schemas"
)

// plan says how a value written with one type becomes the canonical bytes of another: schema
// resolution as the Avro specification has it, worked out once for a pair of types. Reader and
// writer may be the same type; then a plan checks the bytes and makes them canonical.
type plan struct {
	op op
	// logical is the reader's logical type, whose range is checked.
	logical string
	// size of a fixed.
	size int
	// inner is the plan of array items, map values, or of what is wrapped into a reader's union.
	inner *plan
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
	// defaults has, for each field of the reader, the bytes of its default where the writer does
	// not have it, else nil.
	defaults [][]byte
	// copies has, for a retired field of the reader that the writer does not have, the reader's
	// field that it is a copy of.
	copies map[int]int
	// ordered is true where the writer's fields come in the reader's order and no default is to be
	// put in.
	ordered bool
}

type op uint8

const (
	opNull op = iota
	opBoolean
	opInt
	opLong
	opFloat
	opDouble
	opBytes
	opString
	opEnum
	opFixed
	opArray
	opMap
	opUnion         // the writer has a union
	opWrap          // only the reader has one
	opRecord        //
	opIntToFloat    // also from long
	opIntToDouble   // also from long
	opFloatToDouble //
)

// branchPlan is what becomes of one branch of a writer's union.
type branchPlan struct {
	// inner reads the branch. Where lost is set the result is thrown away.
	inner *plan
	// index is the reader's branch, or -1 where the reader has no union.
	index int
	// lost says why the reader cannot take this branch, or is "".
	lost string
}

type fieldPlan struct {
	name  string
	inner *plan
	// target is the reader's field, or -1 where it has none and the value is skipped.
	target int
}

// compile returns the plan from the writer's type to the reader's, or says why there is none.
func compile(writer, reader *schemas.Type) (*plan, error) {
	return (&compiler{done: map[[2]*schemas.Type]*plan{}}).compile(writer, reader)
}

type compiler struct {
	// a type used in many places is worked out once, or schemas could grow exponentially
	done map[[2]*schemas.Type]*plan
}

func (c *compiler) compile(w, r *schemas.Type) (*plan, error) {
	if p := c.done[[2]*schemas.Type{w, r}]; p != nil {
		return p, nil
	}
	p, err := c.work(w, r)
	if err == nil {
		c.done[[2]*schemas.Type{w, r}] = p
	}
	return p, err
}

func (c *compiler) work(w, r *schemas.Type) (*plan, error) {
	switch {
	case w.Kind == schemas.Union:
		return c.union(w, r)
	case r.Kind == schemas.Union:
		i := schemas.BranchFor(w, r)
		if i < 0 {
			return nil, fmt.Errorf("%s is none of the types that are expected here", w.Describe())
		}
		inner, err := c.compile(w, r.Branches[i])
		if err != nil {
			return nil, err
		}
		return &plan{op: opWrap, inner: inner, index: i}, nil
	case w.Kind != r.Kind:
		return promotion(w, r)
	}
	switch w.Kind {
	case schemas.Array:
		inner, err := c.compile(w.Items, r.Items)
		return &plan{op: opArray, inner: inner}, err
	case schemas.Map:
		inner, err := c.compile(w.Values, r.Values)
		return &plan{op: opMap, inner: inner}, err
	case schemas.Enum:
		return enumPlan(w, r)
	case schemas.Fixed:
		if !schemas.SameName(w, r) || w.Size != r.Size {
			return nil, fmt.Errorf("%s of %d bytes is not %s of %d", w.Describe(), w.Size, r.Describe(), r.Size)
		}
		return &plan{op: opFixed, size: w.Size}, nil
	case schemas.Record:
		return c.record(w, r)
	}
	stated := w.Logical + w.Foreign // a writer that states none is taken at the reader's word
	if r.Logical != "" && stated != "" && stated != r.Logical {
		return nil, fmt.Errorf("logical type %s is not %s", stated, r.Logical)
	}
	return &plan{op: primitive(w.Kind), logical: r.Logical}, nil
}

func primitive(k schemas.Kind) op {
	return map[schemas.Kind]op{
		schemas.Null: opNull, schemas.Boolean: opBoolean, schemas.Int: opInt, schemas.Long: opLong, schemas.Float: opFloat,
		schemas.Double: opDouble, schemas.Bytes: opBytes, schemas.String: opString,
	}[k]
}

func promotion(w, r *schemas.Type) (*plan, error) {
	if !schemas.Promotes(w.Kind, r.Kind) {
		return nil, fmt.Errorf("%s cannot be read as %s", w.Describe(), r.Describe())
	}
	if r.Logical != "" {
		return nil, fmt.Errorf("%s cannot be read as %s", w.Describe(), r.Describe())
	}
	switch {
	case r.Kind == schemas.Double && w.Kind == schemas.Float:
		return &plan{op: opFloatToDouble}, nil
	case r.Kind == schemas.Double:
		return &plan{op: opIntToDouble}, nil
	case r.Kind == schemas.Float:
		return &plan{op: opIntToFloat}, nil
	}
	// int as long, bytes as string and the reverse have the same bytes
	return &plan{op: primitive(r.Kind)}, nil
}

func enumPlan(w, r *schemas.Type) (*plan, error) {
	if !schemas.SameName(w, r) {
		return nil, fmt.Errorf("%s is not %s", w.Describe(), r.Describe())
	}
	index := map[string]int{}
	for i, s := range r.Symbols {
		index[s] = i
	}
	p := &plan{op: opEnum, names: w.Symbols}
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

func (c *compiler) union(w, r *schemas.Type) (*plan, error) {
	p := &plan{op: opUnion}
	readable := false
	for _, branch := range w.Branches {
		target, index := r, -1
		if r.Kind == schemas.Union {
			if index = schemas.BranchFor(branch, r); index >= 0 {
				target = r.Branches[index]
			}
		}
		b := branchPlan{index: index}
		if r.Kind == schemas.Union && index < 0 {
			b.lost = fmt.Sprintf("holds %s, which is unknown here", branch.Describe())
		} else if inner, err := c.compile(branch, target); err != nil {
			b.lost = fmt.Sprintf("holds %s as this reader does not know it: %v", branch.Describe(), err)
		} else {
			b.inner = inner
			readable = true
		}
		if b.lost != "" {
			inner, err := c.compile(branch, branch)
			if err != nil {
				return nil, err
			}
			b.inner = inner
		}
		p.branches = append(p.branches, b)
	}
	if !readable {
		return nil, fmt.Errorf("nothing of %s can be read as %s", w.Describe(), r.Describe())
	}
	return p, nil
}

func (c *compiler) record(w, r *schemas.Type) (*plan, error) {
	if !schemas.SameName(w, r) {
		return nil, fmt.Errorf("%s is not %s", w.Describe(), r.Describe())
	}
	p := &plan{op: opRecord, defaults: make([][]byte, len(r.Fields))}
	targets := map[*schemas.Field]int{}
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
		bytes, err := appendDefault(nil, rf.Type, rf.Default)
		if err != nil {
			return nil, fmt.Errorf("default of field %s.%s: %w", r.ShortName(), rf.Name, err)
		}
		p.defaults[i] = bytes
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

// sourceOf returns the reader's field that a retired field is a copy of, or -1 where the field is
// not retired or the writer lacks the other one, too.
func sourceOf(rf *schemas.Field, w, r *schemas.Type) int {
	if rf.CopyOf == "" || w.FieldFor(r.Field(rf.CopyOf)) == nil {
		return -1
	}
	return slices.IndexFunc(r.Fields, func(f schemas.Field) bool { return f.Name == rf.CopyOf })
}
