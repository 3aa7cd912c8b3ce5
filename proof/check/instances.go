package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/foldlog/foldlog/proof/history"
)

// instanceNames returns those of the run and those that something is dumped of.
func (d *dump) instanceNames() ([]string, error) {
	list := slices.Clone(d.run.Instances)
	if d.run.Fresh != "" {
		list = append(list, d.run.Fresh)
	}
	for _, folder := range []string{"views", "states"} {
		entries, err := os.ReadDir(filepath.Join(d.dir, folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			list = append(list, e.Name())
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// readRows reads a file of rows; ok is false if it is not there.
func (d *dump) readRows(file string) (rows map[string]json.RawMessage, twice []string, ok bool, err error) {
	rows = map[string]json.RawMessage{}
	err = history.Read(d.dir, file, func(r history.Row) error {
		if _, have := rows[r.Key]; have {
			twice = append(twice, r.Key)
		}
		rows[r.Key] = r.Row
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, false, nil
	}
	return rows, twice, err == nil, err
}

// checkInstances compares what every instance shows with the model (I3), and the fresh one with the
// others (I11).
func (d *dump) checkInstances(f *folding) error {
	instances, err := d.instanceNames()
	if err != nil {
		return err
	}
	fresh := map[string]map[string]string{} // file of the fresh instance -> key -> text
	others := map[string]map[string]map[string]string{}
	for _, instance := range instances {
		if !d.serves(instance) {
			d.note(Folded, "nothing is dumped of what %s shows", instance)
			continue
		}
		for _, p := range projections {
			shown, err := d.checkView(instance, p.name, f.rows[p.name])
			if err != nil {
				return err
			}
			d.sortShown(instance, "views/"+p.name, shown, fresh, others)
		}
		for _, a := range aggregates {
			shown, err := d.checkStates(instance, a, f.folds[a])
			if err != nil {
				return err
			}
			d.sortShown(instance, "states/"+a, shown, fresh, others)
		}
	}
	d.compareFresh(fresh, others)
	return nil
}

// serves reports whether anything is dumped of what an instance shows. A processor alone shows
// nothing.
func (d *dump) serves(instance string) bool {
	for _, folder := range []string{"views", "states"} {
		if _, err := os.Stat(filepath.Join(d.dir, folder, instance)); err == nil {
			return true
		}
	}
	return false
}

func (d *dump) sortShown(instance, what string, shown map[string]string, fresh map[string]map[string]string, others map[string]map[string]map[string]string) {
	switch {
	case shown == nil:
	case instance == d.run.Fresh:
		fresh[what] = shown
	default:
		if others[what] == nil {
			others[what] = map[string]map[string]string{}
		}
		others[what][instance] = shown
	}
}

func (d *dump) compareFresh(fresh map[string]map[string]string, others map[string]map[string]map[string]string) {
	if d.run.Fresh == "" {
		d.note(Rebuilt, "no instance was started on an empty directory")
	}
	for _, what := range sortedKeys(fresh) {
		for _, instance := range sortedKeys(others[what]) {
			other := others[what][instance]
			for _, key := range sortedKeys(fresh[what]) {
				d.checked(Rebuilt, 1)
				if have, has := other[key]; !has {
					d.violate(Rebuilt, what+" of "+d.run.Fresh, "%q is here and not at %s", key, instance)
				} else if have != fresh[what][key] {
					d.violate(Rebuilt, what+" of "+d.run.Fresh, "%q is %s here and %s at %s", key, clip(fresh[what][key]), clip(have), instance)
				}
			}
			for _, key := range sortedKeys(other) {
				if _, has := fresh[what][key]; !has {
					d.violate(Rebuilt, what+" of "+d.run.Fresh, "%q is missing here; %s has it", key, instance)
				}
			}
		}
	}
}

// checkView compares the rows of a view at an instance with the model, and returns their texts; nil
// where they were not dumped.
func (d *dump) checkView(instance, name string, want map[string]map[string]any) (map[string]string, error) {
	file := "views/" + instance + "/" + name + ".jsonl"
	rows, twice, ok, err := d.readRows(file)
	if err != nil {
		return nil, err
	}
	if !ok {
		d.note(Folded, "%s was not dumped", file)
		return nil, nil
	}
	for _, key := range twice {
		d.violate(Folded, file, "row %q is listed twice", key)
	}
	shown := map[string]string{}
	for _, key := range sortedKeys(rows) {
		d.checked(Folded, 1)
		document, err := readDocument(rows[key])
		if err != nil {
			return nil, fmt.Errorf("%s, row %q: %w", file, key, err)
		}
		shown[key] = canonicalText(document)
		if row := want[key]; row == nil {
			d.violate(Folded, file, "row %q follows from no event", key)
		} else if difference := differ(document, row); difference != "" {
			d.violate(Folded, file, "row %q is not what the events lead to: %s", key, difference)
		}
	}
	for _, key := range sortedKeys(want) {
		if _, has := rows[key]; !has {
			d.violate(Folded, file, "row %q is missing", key)
		}
	}
	return shown, nil
}

// checkStates compares the states that an instance answered with the folds.
func (d *dump) checkStates(instance, aggregate string, folds map[string]*fold) (map[string]string, error) {
	file := "states/" + instance + "/" + aggregate + ".jsonl"
	rows, _, ok, err := d.readRows(file)
	if err != nil {
		return nil, err
	}
	if !ok {
		d.note(Folded, "%s was not dumped", file)
		return nil, nil
	}
	shown := map[string]string{}
	for _, id := range sortedKeys(rows) {
		d.checked(Folded, 1)
		document, err := readDocument(rows[id])
		if err != nil {
			return nil, fmt.Errorf("%s, id %q: %w", file, id, err)
		}
		shown[id] = canonicalText(document)
		have := folds[id]
		if document == nil { // there is none
			if have != nil {
				d.violate(Folded, file, "%s %s has %d events and no state here", aggregate, id, have.version)
			}
			continue
		}
		if have == nil {
			d.violate(Folded, file, "%s %s has no events, yet a state here", aggregate, id)
			continue
		}
		want := have.state.document(aggregate)
		// with its envelope
		if whole, ok := document.(map[string]any); ok && whole["state"] != nil {
			want = map[string]any{"aggregate_id": id, "version": have.version, "recorded_at": have.recordedAt, "state": want}
			for key := range want {
				if _, given := whole[key]; !given {
					delete(want, key)
				}
			}
		}
		if difference := differ(document, want); difference != "" {
			d.violate(Folded, file, "%s %s is not the fold of its events: %s", aggregate, id, difference)
		}
	}
	return shown, nil
}
