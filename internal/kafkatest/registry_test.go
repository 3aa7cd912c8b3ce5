package kafkatest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

const (
	firstSchema  = `{"type":"record","name":"Deposited","fields":[{"name":"amount","type":"long"}]}`
	brokenSchema = `{"type":"record","name":"Deposited","fields":[{"name":"amount","type":"long"},{"name":"currency","type":"string"}]}`
)

func newRegistryClient(t *testing.T, r *Registry) *sr.Client {
	t.Helper()
	client, err := sr.NewClient(sr.URLs(r.URL()))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// register registers a schema and reads it back by its id.
func register(ctx context.Context, t *testing.T, r *Registry, subject string) (id int) {
	t.Helper()
	client := newRegistryClient(t, r)
	created, err := client.CreateSchema(ctx, subject, sr.Schema{Schema: firstSchema})
	if err != nil {
		t.Fatal(err)
	}
	wantSchema(ctx, t, r, created.ID)
	return created.ID
}

func wantSchema(ctx context.Context, t *testing.T, r *Registry, id int) {
	t.Helper()
	schema, err := newRegistryClient(t, r).SchemaByID(ctx, id)
	if err != nil || schema.Schema != firstSchema {
		t.Errorf("schema %d: %q, %v", id, schema.Schema, err)
	}
}

func startRegistry(t *testing.T, config RegistryConfig) *Registry {
	t.Helper()
	Need(t)
	config.Logger = testLogger(t)
	r, err := StartRegistry(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestRegistryKeepsSchemas(t *testing.T) {
	r := SharedRegistry(t)
	ctx := limited(t)
	register(ctx, t, r, "kept-value")
	usage, err := r.Usage()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(usageText(usage))
}

func TestDurableRegistryOutlastsAKill(t *testing.T) {
	r := startRegistry(t, RegistryConfig{Durable: true, Compatibility: "BACKWARD"})
	ctx := limited(t)
	id := register(ctx, t, r, "durable-value")

	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := newRegistryClient(t, r).SchemaByID(ctx, id); err == nil {
		t.Error("a dead registry answered")
	}
	begin := time.Now()
	if err := r.Boot(); err != nil {
		t.Fatal(err)
	}
	if err := r.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("ready again %s after the boot", time.Since(begin).Round(time.Millisecond))
	wantSchema(ctx, t, r, id)

	_, err := newRegistryClient(t, r).CreateSchema(ctx, "durable-value", sr.Schema{Schema: brokenSchema})
	if refusal, is := errors.AsType[*sr.ResponseError](err); !is || refusal.StatusCode != http.StatusConflict {
		t.Errorf("a field without a default was added under level BACKWARD: %v", err)
	}
}

func TestRegistryOnKafkaOutlastsAKill(t *testing.T) {
	k := Shared(t)
	r := startRegistry(t, RegistryConfig{Kafka: k.Bootstrap()})
	ctx := limited(t)
	id := register(ctx, t, r, "on-kafka-value")
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := r.Boot(); err != nil {
		t.Fatal(err)
	}
	if err := r.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	wantSchema(ctx, t, r, id)
}

func TestFrozenRegistryHoldsRequests(t *testing.T) {
	r := SharedRegistry(t)
	if err := r.Freeze(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(limited(t), time.Second)
	defer cancel()
	if _, err := newRegistryClient(t, r).Subjects(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a frozen registry answered: %v", err)
	}
	if err := r.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := r.AwaitReady(limited(t)); err != nil {
		t.Error(err)
	}
}

func TestRegistryThatCannotStartSaysWhy(t *testing.T) {
	Need(t)
	_, err := StartRegistry(limited(t), RegistryConfig{Properties: map[string]string{"quarkus.http.port": "none"}})
	if err == nil || !strings.Contains(err.Error(), "quarkus.http.port") {
		t.Errorf("got %v", err)
	}
}
