package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/lovoo/goka/storage"

	"github.com/foldlog/foldlog/topology"
)

// runGoka is Goka as its users write it. Three things differ from its defaults, without which it
// would not do the work at all: it starts at the oldest command, speaks a version that today's
// brokers know, and puts keys where Java does.
func runGoka(ctx context.Context, t task) error {
	config := goka.DefaultConfig()
	config.Version = sarama.V2_8_0_0
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	if t.Peer == "goka-1ms" {
		config.Producer.Flush.Frequency = time.Millisecond
	}
	goka.ReplaceGlobalConfig(config)

	consume := func(ctx goka.Context, message any) {
		var before row
		if have := ctx.Value(); have != nil {
			before = have.(row)
		}
		d, err := decide(before, message.([]byte), t.EventsPerCommand)
		if err != nil {
			ctx.Fail(err)
		}
		for _, event := range d.events {
			ctx.Emit(goka.Stream(t.Events), ctx.Key(), event)
		}
		ctx.Emit(goka.Stream(t.Outcomes), ctx.Key(), d.outcome)
		ctx.SetValue(d.row)
	}
	processor, err := goka.NewProcessor(t.Brokers, goka.DefineGroup(goka.Group(t.Group),
		goka.Input(goka.Stream(t.Input), new(codec.Bytes), consume),
		goka.Output(goka.Stream(t.Events), new(codec.Bytes)),
		goka.Output(goka.Stream(t.Outcomes), new(codec.Bytes)),
		goka.Persist(rowCodec{}),
	),
		goka.WithHasher(topology.Hasher),
		goka.WithStorageBuilder(storage.DefaultBuilder(filepath.Join(t.Dir, "goka"))),
		goka.WithLogger(log.New(os.Stderr, "", log.LstdFlags)),
	)
	if err != nil {
		return fmt.Errorf("goka: %w", err)
	}
	go sayWhenRecovered(ctx, processor.Recovered)
	return processor.Run(ctx)
}

type rowCodec struct{}

func (rowCodec) Encode(value any) ([]byte, error) {
	r, ok := value.(row)
	if !ok {
		return nil, errors.New("not a row")
	}
	return r.encode(), nil
}

func (rowCodec) Decode(data []byte) (any, error) { return parseRow(data) }
