package main

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"time"

	"github.com/hamba/avro/v2"
)

// The value as clients/README.md has it: times as microseconds, bytes as hexadecimal, of a union the value alone.
func plain(schema avro.Schema, value any) (any, error) {
	switch schema := schema.(type) {
	case *avro.RefSchema:
		return plain(schema.Schema(), value)
	case *avro.UnionSchema:
		return plainOfUnion(schema, value)
	case *avro.RecordSchema:
		return plainOfRecord(schema, value)
	case *avro.ArraySchema:
		items, ok := value.([]any)
		if !ok {
			return nil, fmt.Errorf("an array came as %T", value)
		}
		told := make([]any, len(items))
		for i, item := range items {
			var err error
			if told[i], err = plain(schema.Items(), item); err != nil {
				return nil, err
			}
		}
		return told, nil
	case *avro.FixedSchema:
		return hexadecimal(value)
	}
	switch value := value.(type) {
	case time.Time:
		return value.UnixMicro(), nil
	case []byte:
		return hexadecimal(value)
	}
	return value, nil
}

func plainOfRecord(schema *avro.RecordSchema, value any) (any, error) {
	members, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the record %s came as %T", schema.FullName(), value)
	}
	told := make(map[string]any, len(members))
	for _, field := range schema.Fields() {
		var err error
		if told[field.Name()], err = plain(field.Type(), members[field.Name()]); err != nil {
			return nil, err
		}
	}
	return told, nil
}

func nameOf(schema avro.Schema) string {
	if reference, ok := schema.(*avro.RefSchema); ok {
		schema = reference.Schema()
	}
	if named, ok := schema.(avro.NamedSchema); ok {
		return named.FullName()
	}
	return string(schema.Type())
}

// Daybook's unions are null and one other type. What that is hamba tells by a map of one member, where no Go type is
// registered under its name.
func plainOfUnion(schema *avro.UnionSchema, value any) (any, error) {
	if value == nil {
		return nil, nil
	}
	for _, branch := range schema.Types() {
		if branch.Type() == avro.Null {
			continue
		}
		if named, ok := value.(map[string]any); ok && len(named) == 1 {
			if inner, ok := named[nameOf(branch)]; ok {
				value = inner
			}
		}
		return plain(branch, value)
	}
	return nil, fmt.Errorf("a union of null alone came with %T", value)
}

// Of []byte, or of the array of bytes that a fixed comes as.
func hexadecimal(value any) (any, error) {
	bytes := reflect.ValueOf(value)
	if bytes.Kind() != reflect.Slice && bytes.Kind() != reflect.Array {
		return nil, fmt.Errorf("bytes came as %T", value)
	}
	told := make([]byte, bytes.Len())
	reflect.Copy(reflect.ValueOf(told), bytes)
	return hex.EncodeToString(told), nil
}
