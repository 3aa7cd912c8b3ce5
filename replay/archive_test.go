package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/foldlog/foldlog"
	"github.com/foldlog/foldlog/bank/account"
	"github.com/foldlog/foldlog/codecs"
	"github.com/foldlog/foldlog/devcluster"
	"github.com/foldlog/foldlog/internal/avro"
	"github.com/foldlog/foldlog/internal/cluster"
	"github.com/foldlog/foldlog/replay/backup"
	"github.com/foldlog/foldlog/replay/backup/archive"
	"github.com/foldlog/foldlog/replay/kit"
	"github.com/foldlog/foldlog/replay/recovery"
	"github.com/foldlog/foldlog/replay/verify"
	"github.com/foldlog/foldlog/schemas"
	bankschemas "github.com/foldlog/foldlog/schemas/bank"
	"github.com/foldlog/foldlog/topology"
)

// elsewhere returns the same system in another cluster with a registry of its own, whose ids are
// others. On Kafka it is the same cluster.
func elsewhere(t *testing.T, s *system, prefix string) *system {
	t.Helper()
	if onKafka {
		return newSystem(t, prefix)
	}
	dev, err := devcluster.Start(t.Context(), devcluster.Config{Dir: t.TempDir(), KafkaListen: "127.0.0.1:0", RegistryListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	log := slog.New(slog.DiscardHandler)
	registry := schemas.New(schemas.Config{URL: dev.RegistryURL()}, log)
	for i := range 5 {
		if _, err := registry.Register(t.Context(), fmt.Sprintf("other-%d", i), fmt.Sprintf(`{"type":"record","name":"Other%d","fields":[]}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	set, err := schemas.Load(bankschemas.Files, s.topology)
	if err != nil {
		t.Fatal(err)
	}
	other := newSystemOn(t, dev.Brokers(), nil, prefix)
	if other.codecs, err = codecs.New(t.Context(), other.topology, topology.Names{}, set, registry, log); err != nil {
		t.Fatal(err)
	}
	return other
}

func (s *system) export(dir string) *backup.Exported {
	s.t.Helper()
	done, err := backup.Export(s.t.Context(), s.config(), dir, true)
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

// rowsOf returns the events that an archive has as of its cut, by aggregate type and partition.
func rowsOf(t testing.TB, dir string) map[string][]archive.Written {
	t.Helper()
	a, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]archive.Written{}
	for aggregate, ends := range a.Manifest().Cut.Aggregates {
		for p, end := range ends {
			files, err := a.Manifest().Within(archive.Events, aggregate, int32(p), end.Events)
			if err != nil {
				t.Fatal(err)
			}
			for row, err := range a.Rows(files) {
				if err != nil {
					t.Fatal(err)
				}
				all[fmt.Sprintf("%s/%d", aggregate, p)] = append(all[fmt.Sprintf("%s/%d", aggregate, p)], row)
			}
		}
	}
	return all
}

// traffic sends so many transfers and deposits, and returns a function that waits until they are
// sent.
func (s *system) traffic(name string, from, n int) (sent func()) {
	var running sync.WaitGroup
	running.Go(func() {
		for i := from; i < from+n; i++ {
			s.produce(
				s.command("account", fmt.Sprintf("%s-%d", name, i%6), fmt.Sprintf("traffic-%d", i), "deposit", `{"amount": 3, "currency": "EUR", "reference": "t"}`),
				s.command("transfer", fmt.Sprintf("%s-traffic-%d", name, i), "request", "request",
					fmt.Sprintf(`{"from": "%s-%d", "to": "%s-%d", "amount": 1, "currency": "EUR", "reference": ""}`, name, i%6, name, (i+1)%6)),
			)
		}
	})
	return running.Wait
}

// written returns how far the events of an aggregate type go, over all partitions.
func (s *system) written(aggregate string) (n int64) {
	s.t.Helper()
	ends, err := s.admin.ListEndOffsets(s.t.Context(), s.names.Events(aggregate))
	if err != nil {
		s.t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// An archive that is made while commands come and go is one state of the system: restored
// elsewhere, every transfer ends, nothing is done twice and nothing is lost.
func TestArchiveAndRestore(t *testing.T) {
	s := created(t, "archived.")
	stop := s.run()
	s.story("a")
	dir := filepath.Join(t.TempDir(), "archive")
	s.exportInterrupted(dir)
	first := s.export(dir)
	files := filesOf(t, dir)
	if again := s.export(dir); again.Events != 0 || again.Outcomes != 0 || again.Files != 0 || again.TotalEvents != first.TotalEvents {
		t.Errorf("an export after which nothing happened adds %+v", again)
	}
	for n := range 2 {
		before := s.written("transfer")
		sent := s.traffic("a", 80*n, 80)
		s.eventually("transfers are under way", func() error {
			if s.written("transfer") == before {
				return errors.New("none yet")
			}
			return nil
		})
		if added := s.export(dir); added.Events == 0 {
			t.Errorf("nothing happened meanwhile: %+v", added)
		}
		sent()
		s.hasCauses(dir)
	}
	stop()
	for name, content := range files {
		if now := filesOf(t, dir)[name]; !bytes.Equal(now, content) && name != archive.ManifestFile && !strings.Contains(name, ".pending/") {
			t.Errorf("%s was changed by a later export", name)
		}
	}

	other := elsewhere(t, s, "restored.")
	damaged(t, other, dir)
	other.importInterrupted(dir)
	done, err := backup.Import(t.Context(), other.config(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if done.Found == 0 || done.Found > done.Events+done.Outcomes+done.Pending {
		t.Errorf("%d records were found of the import that was interrupted", done.Found)
	}
	if r := other.verify(); r.Total != 0 {
		intact(t, &verify.Report{Findings: r.Findings})
	}
	if _, err := backup.Import(t.Context(), other.config(), dir); !errors.Is(err, cluster.ErrNotEmpty) {
		t.Errorf("a second import: %v", err)
	}
	second := filepath.Join(t.TempDir(), "again")
	other.export(second)
	sameRows(t, rowsOf(t, dir), rowsOf(t, second))
	if _, err := backup.Export(t.Context(), other.config(), dir, false); !errors.Is(err, backup.ErrOtherLog) {
		t.Errorf("an export of the restored log into the archive of the old one: %v", err)
	}

	stop = other.run()
	other.produce(
		other.command("account", "a-0", "first", "deposit", `{"amount": 1000, "currency": "EUR", "reference": "first"}`),
		other.command("account", "a-7", "after", "unfreeze", `{"reason": "restored"}`))
	other.settled()
	stop()
	if all := other.outcomesOf("a-0", "first"); len(all) < 2 || !all[len(all)-1].Repeat || !all[len(all)-1].Accepted || all[len(all)-1].Version != all[0].Version {
		t.Errorf("a command id from before is not recognised: %+v", all)
	}
	other.everythingOnce("a")
	if r := other.verify(); r.Total != 0 {
		intact(t, &verify.Report{Findings: r.Findings})
	}
}

// hasCauses checks that every event in an archive that follows from a command of a policy has the
// event in it that the policy answered.
func (s *system) hasCauses(dir string) {
	s.t.Helper()
	sent, policies := map[string]bool{}, 0
	each := func(visit func(aggregate string, e foldlog.Event[any])) {
		for place, rows := range rowsOf(s.t, dir) {
			aggregate, _, _ := strings.Cut(place, "/")
			codec := s.codecs.Aggregate(aggregate)
			for _, row := range rows {
				prefix, err := codec.EventValues().Prefix(s.t.Context(), row.Schema)
				if err != nil {
					s.t.Fatal(err)
				}
				e, err := codec.DecodeEvent(s.t.Context(), append(prefix, row.Value...))
				if err != nil {
					s.t.Fatal(err)
				}
				visit(aggregate, e)
			}
		}
	}
	each(func(aggregate string, e foldlog.Event[any]) {
		for _, p := range s.topology.Policies {
			if p.Source == aggregate {
				sent[foldlog.PolicyCommandID(p.Name, e.EventID, 0)] = true
			}
		}
	})
	each(func(_ string, e foldlog.Event[any]) {
		if strings.HasPrefix(e.Actor, codecs.PolicyActorPrefix) {
			if policies++; !sent[e.CommandID] {
				s.t.Errorf("%s of %s, version %d, is in the archive, and what %s answered with it is not", e.Type, e.AggregateID, e.Version, e.Actor)
			}
		}
	})
	if policies == 0 {
		s.t.Error("no policy has done anything")
	}
}

func sameRows(t *testing.T, want, got map[string][]archive.Written) {
	t.Helper()
	fingerprints := map[string][32]byte{}
	fingerprint := func(text string) [32]byte {
		if _, known := fingerprints[text]; !known {
			s, err := avro.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			fingerprints[text] = s.Fingerprint
		}
		return fingerprints[text]
	}
	for place, rows := range want {
		if len(got[place]) != len(rows) {
			t.Errorf("%s: %d events, want %d", place, len(got[place]), len(rows))
			continue
		}
		for i, w := range rows {
			g := got[place][i]
			if !bytes.Equal(g.Value, w.Value) || !bytes.Equal(g.Chain, w.Chain) || g.Cause != w.Cause || g.Complete != w.Complete || !g.Time.Equal(w.Time) ||
				fmt.Sprint(g.Headers) != fmt.Sprint(w.Headers) || fingerprint(g.Schema) != fingerprint(w.Schema) {
				t.Errorf("%s: event %d is another one\n%+v\n%+v", place, i, g.Row, w.Row)
				break
			}
		}
	}
}

// everythingOnce checks, at rest, that transfers have ended, that no command of a policy was given
// twice or refused, and that no money came or went.
func (s *system) everythingOnce(name string) {
	s.t.Helper()
	ended, begun := 0, 0
	for _, records := range s.read(s.names.Events("transfer")) {
		for _, r := range records {
			switch string(r.Header(codecs.HeaderCEType)) {
			case "TransferRequested":
				begun++
			case "TransferCompleted", "TransferRefused", "TransferReturned":
				ended++
			}
		}
	}
	if begun == 0 || begun != ended {
		s.t.Errorf("%d transfers were requested and %d have ended", begun, ended)
	}
	for _, a := range s.topology.Aggregates {
		codec, answers := s.codecs.Aggregate(a.Name), map[string][]foldlog.Outcome{}
		for _, records := range s.read(s.names.Outcomes(a.Name)) {
			for _, r := range records {
				o, err := codec.DecodeOutcome(s.t.Context(), r.Value)
				if err != nil {
					s.t.Fatal(err)
				}
				answers[o.CommandID] = append(answers[o.CommandID], o)
			}
		}
		for _, records := range s.read(s.names.Commands(a.Name)) {
			for _, r := range records {
				if !strings.HasPrefix(string(r.Header(codecs.HeaderActor)), codecs.PolicyActorPrefix) {
					continue
				}
				c, err := codec.DecodeCommand(s.t.Context(), r)
				if err != nil {
					s.t.Fatal(err)
				}
				if all := answers[c.CommandID]; len(all) != 1 || !all[0].Accepted {
					s.t.Errorf("command %s of %s to %s: %+v", c.CommandID, c.Actor, c.AggregateID, all)
				}
			}
		}
	}
	deposited, balance := int64(0), int64(0)
	last := map[string]any{}
	for _, records := range s.read(s.names.Events("account")) {
		for _, r := range records {
			e, err := s.codecs.Aggregate("account").DecodeEvent(s.t.Context(), r.Value)
			if err != nil {
				s.t.Fatal(err)
			}
			switch d := e.Data.(type) {
			case account.Deposited:
				deposited += d.Amount
			case account.Withdrawn:
				deposited -= d.Amount
			}
			if last[e.AggregateID] == nil {
				last[e.AggregateID] = s.topology.Aggregate("account").Decider.Initial()
			}
			last[e.AggregateID] = s.topology.Aggregate("account").Decider.Evolve(last[e.AggregateID], e)
		}
	}
	for _, state := range last {
		balance += state.(account.Account).Balance
	}
	if balance != deposited || balance == 0 {
		s.t.Errorf("%d are in accounts, and %d were paid in", balance, deposited)
	}
}

func filesOf(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		all[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// halfway returns a context that is cancelled when half of the work is done.
func (s *system) halfway() (context.Context, kit.Config) {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.t.Cleanup(cancel)
	config := s.config()
	config.Workers = 1
	var read atomic.Int64
	config.Progress = func(n, total int64) {
		if read.Add(n) > total/2 {
			cancel()
		}
	}
	return ctx, config
}

// exportInterrupted runs an export that is cancelled halfway.
func (s *system) exportInterrupted(dir string) {
	s.t.Helper()
	ctx, config := s.halfway()
	if _, err := backup.Export(ctx, config, dir, true); !errors.Is(err, context.Canceled) {
		s.t.Fatalf("an export that is cancelled: %v", err)
	}
	if _, err := archive.Open(dir); !errors.Is(err, archive.ErrUnfit) {
		s.t.Fatalf("half an archive can be opened: %v", err)
	}
}

// importInterrupted runs an import that is cancelled when it has written a part, and sees that
// neither processes nor a recovery go on with that.
func (s *system) importInterrupted(dir string) {
	s.t.Helper()
	ctx, config := s.halfway()
	if _, err := backup.Import(ctx, config, dir); !errors.Is(err, context.Canceled) {
		s.t.Fatalf("an import that is cancelled: %v", err)
	}
	for what, err := range map[string]error{
		"a start": func() error {
			_, err := cluster.EnsureTopics(s.t.Context(), s.cluster, s.topology, s.settings)
			return err
		}(),
		"a recovery": func() error { _, err := recovery.Run(s.t.Context(), s.config()); return err }(),
	} {
		if !errors.Is(err, cluster.ErrMismatch) {
			s.t.Errorf("%s on half an import: %v", what, err)
		}
	}
}

// damaged sees that an archive that is not as it was written is refused with the name of the file,
// before anything is written.
func damaged(t *testing.T, s *system, dir string) {
	t.Helper()
	var names []string
	a, err := archive.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Manifest().Files {
		if f.Kind == archive.Events && f.Count > 1 {
			names = append(names, f.Path)
		}
	}
	write := func(name string, content []byte) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	content := filesOf(t, dir)
	one, two := names[0], names[1]
	manifest := content[archive.ManifestFile]
	entry := func(path string) []byte { // of the manifest
		from := bytes.LastIndex(manifest[:bytes.Index(manifest, []byte(path))], []byte("  {"))
		return manifest[from : from+bytes.Index(manifest[from:], []byte("  },\n"))+len("  },\n")]
	}
	flipped := slices.Clone(content[one])
	flipped[len(flipped)/2] ^= 1
	for what, c := range map[string]struct {
		change func()
		want   string
	}{
		"a changed file":           {func() { write(one, flipped) }, one},
		"a shortened file":         {func() { write(one, content[one][:len(content[one])-20]) }, one},
		"a missing file":           {func() { _ = os.Remove(filepath.Join(dir, one)) }, one},
		"swapped files":            {func() { write(one, content[two]); write(two, content[one]) }, one},
		"a file that is forgotten": {func() { write(archive.ManifestFile, bytes.Replace(manifest, entry(one), nil, 1)) }, "one of them is missing"},
	} {
		c.change()
		_, err := backup.Import(t.Context(), s.config(), dir)
		if !errors.Is(err, archive.ErrDamaged) || !strings.Contains(err.Error(), c.want) && !strings.Contains(err.Error(), two) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
		write(one, content[one])
		write(two, content[two])
		write(archive.ManifestFile, manifest)
	}
	s.settings.Partitions++
	if _, err := backup.Import(t.Context(), s.config(), dir); !errors.Is(err, backup.ErrNotImportable) || !strings.Contains(err.Error(), fmt.Sprintf("set --partitions %d", partitions)) {
		t.Errorf("another partition count: %v", err)
	}
	s.settings.Partitions--
	listed, err := s.admin.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for topic := range listed {
		if strings.HasPrefix(topic, s.names.Prefix) {
			t.Errorf("topic %s was created", topic)
		}
	}
}
