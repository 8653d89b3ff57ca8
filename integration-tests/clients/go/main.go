// A consumer of Daybook's topics, of franz-go, its schema registry client and hamba/avro, as anybody would write it from
// /asyncapi.json: reads each topic with read_committed from its beginning to its end of now, and prints a line of JSON
// for each record, in the form that clients/README.md tells.
//
// usage: consumer BROKERS REGISTRY_URL TOPIC...
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

const timeLimit = time.Minute

type line struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Key       string `json:"key"`
	Type      string `json:"type"`
	Event     any    `json:"event"`
}

// Schemas by their ids, each asked for once.
type schemas struct {
	registry *sr.Client
	byID     map[int]avro.Schema
}

func (known *schemas) schema(ctx context.Context, id int) (avro.Schema, error) {
	if schema, ok := known.byID[id]; ok {
		return schema, nil
	}
	told, err := known.registry.SchemaByID(ctx, id)
	if err != nil {
		return nil, err
	}
	// A cache of its own: versions of one record have the same name.
	schema, err := avro.ParseWithCache(told.Schema, "", &avro.SchemaCache{})
	if err != nil {
		return nil, err
	}
	known.byID[id] = schema
	return schema, nil
}

func header(record *kgo.Record, name string) string {
	for _, field := range record.Headers {
		if field.Key == name {
			return string(field.Value)
		}
	}
	return ""
}

func (known *schemas) lineOf(ctx context.Context, record *kgo.Record) (line, error) {
	var framing sr.ConfluentHeader
	id, data, err := framing.DecodeID(record.Value)
	if err != nil {
		return line{}, err
	}
	schema, err := known.schema(ctx, id)
	if err != nil {
		return line{}, err
	}
	var decoded any
	if err := avro.Unmarshal(schema, data, &decoded); err != nil {
		return line{}, err
	}
	event, err := plain(schema, decoded)
	if err != nil {
		return line{}, err
	}
	kind := header(record, "ce_type")
	return line{record.Topic, record.Partition, record.Offset, string(record.Key), kind[strings.LastIndexByte(kind, '.')+1:], event}, nil
}

// Where each partition ends for a reader of what is committed; empty ones have nothing to wait for.
func ends(ctx context.Context, client *kgo.Client, topics []string) (map[string]map[int32]int64, error) {
	admin := kadm.NewClient(client)
	listed, err := admin.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return nil, err
	}
	if err := listed.Error(); err != nil {
		return nil, err
	}
	left := map[string]map[int32]int64{}
	listed.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			if left[end.Topic] == nil {
				left[end.Topic] = map[int32]int64{}
			}
			left[end.Topic][end.Partition] = end.Offset
		}
	})
	return left, nil
}

func read(ctx context.Context, brokers, url string, topics []string, out *json.Encoder) error {
	registry, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// A partition may end with the mark of a transaction, which tells as well that the end is reached.
		kgo.KeepControlRecords(),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	left, err := ends(ctx, client, topics)
	if err != nil {
		return err
	}
	known := &schemas{registry: registry, byID: map[int]avro.Schema{}}
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := errors.Join(fetches.Err(), ctx.Err()); err != nil {
			return err
		}
		for iterator := fetches.RecordIter(); !iterator.Done(); {
			record := iterator.Next()
			if !record.Attrs.IsControl() {
				told, err := known.lineOf(ctx, record)
				if err != nil {
					return fmt.Errorf("%s %d at %d: %w", record.Topic, record.Partition, record.Offset, err)
				}
				if err := out.Encode(told); err != nil {
					return err
				}
			}
			if end, ok := left[record.Topic][record.Partition]; ok && record.Offset+1 >= end {
				delete(left[record.Topic], record.Partition)
				if len(left[record.Topic]) == 0 {
					delete(left, record.Topic)
				}
			}
		}
	}
	return nil
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: consumer BROKERS REGISTRY_URL TOPIC...")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	out := bufio.NewWriter(os.Stdout)
	err := read(ctx, os.Args[1], os.Args[2], os.Args[3:], json.NewEncoder(out))
	if err = errors.Join(err, out.Flush()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
