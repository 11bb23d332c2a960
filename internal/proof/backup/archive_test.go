package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
)

// archive is a backup taken apart, so that it can be put together wrongly.
type archive struct {
	manifest map[string]any
	members  []entry // without the manifest
	behind   []byte  // packed with it, behind its end
	raw      func(packed []byte) []byte
	last     bool // the manifest comes last
}

type entry struct {
	header tar.Header
	body   []byte
}

func open(t *testing.T, path string) *archive {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	packed, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{}
	for in := tar.NewReader(packed); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return a
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if h.Name != "manifest.json" {
			a.members = append(a.members, entry{*h, body})
		} else if err := json.Unmarshal(body, &a.manifest); err != nil {
			t.Fatal(err)
		}
	}
}

func (a *archive) listed() []any { return a.manifest["members"].([]any) }

// index returns where a member stands.
func (a *archive) index(name string) int {
	return slices.IndexFunc(a.members, func(e entry) bool { return e.header.Name == name })
}

// list adds a member to the manifest alone.
func (a *archive) list(name string, body []byte) {
	hash := sha256.Sum256(body)
	a.manifest["members"] = append(a.listed(), map[string]any{
		"name": name, "size": len(body), "mode": 0o600, "sha256": hex.EncodeToString(hash[:]),
	})
}

// carry adds a member to the archive alone.
func (a *archive) carry(h tar.Header, body []byte) {
	h.Size, h.Mode = int64(len(body)), 0o600
	a.members = append(a.members, entry{h, body})
}

// add adds a member as an honest backup would hold it.
func (a *archive) add(name, body string) {
	a.list(name, []byte(body))
	a.carry(tar.Header{Typeflag: tar.TypeReg, Name: name}, []byte(body))
}

// change changes a member, and what the manifest says of it too.
func (a *archive) change(name string, change func(body []byte) []byte) {
	e := &a.members[a.index(name)]
	e.body = change(slices.Clone(e.body))
	e.header.Size = int64(len(e.body))
	a.manifest["members"] = slices.DeleteFunc(a.listed(), func(m any) bool { return m.(map[string]any)["name"] == name })
	a.list(name, e.body)
}

// write puts it together again.
func (a *archive) write(t *testing.T, path string) {
	t.Helper()
	text, err := json.Marshal(a.manifest)
	if err != nil {
		t.Fatal(err)
	}
	all := append([]entry{{tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json", Size: int64(len(text)), Mode: 0o600}, text}}, a.members...)
	if a.last {
		all = append(all[1:], all[0])
	}
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	out := tar.NewWriter(zip)
	for _, e := range all {
		err := out.WriteHeader(&e.header)
		if err == nil {
			_, err = out.Write(e.body)
		}
		if err != nil {
			t.Fatalf("%s: %v", e.header.Name, err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := zip.Write(a.behind); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	content := packed.Bytes()
	if a.raw != nil {
		content = a.raw(content)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
