package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"
)

const schemasFolder = "../../../schemas"

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	bytes, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// As the test's other side reads it: numbers as they are written.
func parse(t *testing.T, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// Each record of schemas/golden, decoded by hamba, is what the file beside it says.
func TestGoldenBytes(t *testing.T) {
	paths, _ := filepath.Glob(schemasFolder + "/golden/*/*.hex")
	if len(paths) < 50 {
		t.Fatalf("only %d golden files", len(paths))
	}
	for _, path := range paths {
		family := filepath.Base(filepath.Dir(path))
		name, version, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".hex"), ".")
		file := filepath.Join(schemasFolder, family, name, version+".avsc")
		schema, err := avro.ParseWithCache(string(readFile(t, file)), "", &avro.SchemaCache{})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		expected := parse(t, readFile(t, strings.TrimSuffix(path, ".hex")+".json")).([]any)
		for i, text := range strings.Fields(string(readFile(t, path))) {
			record, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			var decoded any
			if err := avro.Unmarshal(schema, record, &decoded); err != nil {
				t.Errorf("%s %d: %v", path, i, err)
				continue
			}
			told, err := plain(schema, decoded)
			if err != nil {
				t.Errorf("%s %d: %v", path, i, err)
				continue
			}
			written, _ := json.Marshal(told)
			if !reflect.DeepEqual(parse(t, written), expected[i]) {
				t.Errorf("%s %d is read as\n%s", path, i, written)
			}
		}
	}
}
