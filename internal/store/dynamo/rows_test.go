package dynamo_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confidant-secrets/confidant/internal/awstest/dynamolocal"
	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/store/dynamo"
)

// recording is what the older service wrote, and into which tables.
type recording struct {
	Schema map[string]struct {
		AttributeDefinitions, KeySchema json.RawMessage
		GlobalSecondaryIndexes          []map[string]any
		ProvisionedThroughput           struct{ ReadCapacityUnits, WriteCapacityUnits int }
	} `json:"table_schema"`
	Items []struct {
		Table  string
		Item   wireItem
		Crypto struct {
			DataKey string `json:"data_key_ciphertext_base64"`
			Token   string `json:"fernet_token"`
		}
	}
}

func readRecording(t *testing.T) recording {
	t.Helper()
	text, err := os.ReadFile("testdata/rows.json")
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Items) < 14 || len(r.Schema) != 2 {
		t.Fatalf("%d items, %d tables", len(r.Items), len(r.Schema))
	}
	return r
}

// older makes a world as the older service left it: its tables, its rows.
func older(t *testing.T) (*world, recording) {
	t.Helper()
	r := readRecording(t)
	if !dynamolocal.Wanted() {
		return nil, r
	}
	w := newBareWorld(t)
	for kind, schema := range r.Schema {
		capacity := map[string]any{"ReadCapacityUnits": schema.ProvisionedThroughput.ReadCapacityUnits, "WriteCapacityUnits": schema.ProvisionedThroughput.WriteCapacityUnits}
		for _, index := range schema.GlobalSecondaryIndexes {
			index["ProvisionedThroughput"] = capacity
		}
		w.call(t, "CreateTable", map[string]any{
			"TableName": tableOf(kind), "AttributeDefinitions": schema.AttributeDefinitions, "KeySchema": schema.KeySchema,
			"GlobalSecondaryIndexes": schema.GlobalSecondaryIndexes, "ProvisionedThroughput": capacity,
		})
	}
	for _, i := range r.Items {
		w.put(t, tableOf(i.Table), i.Item)
	}
	return w, r
}

func tableOf(kind string) string {
	if kind == "archive" {
		return archive
	}
	return table
}

// TestOlderRows_ReadAsRecordedAndStayAsTheyAre reads every recorded row in every
// way there is.
func TestOlderRows_ReadAsRecordedAndStayAsTheyAre(t *testing.T) {
	t.Parallel()
	w, recorded := older(t)
	if w == nil {
		return
	}
	before := map[string]map[string]wireItem{table: w.items(t, table), archive: w.items(t, archive)}
	client := w.client(nil)
	if made, err := dynamo.CreateTables(t.Context(), client, dynamo.Capacity{}, table, archive); err != nil || len(made) != 0 {
		t.Errorf("CreateTables = %v, %v; want the older tables to do", made, err)
	}
	s := w.open(t, client)
	if s.Indexed() {
		t.Error("an older table counts as indexed")
	}
	ctx := t.Context()
	for _, r := range recorded.Items {
		id := r.Item.text("id")
		if i := strings.LastIndexByte(id, '-'); strings.HasPrefix(r.Item.text("data_type"), "archive-") {
			id = id[:i]
		}
		n := int(r.Item["revision"]["N"].(string)[0] - '0')
		credentials := store.Revisions[credential.Credential](s.Credentials())
		if r.Table == "archive" {
			credentials = s.ArchivedCredentials()
		}
		var got wireItem
		switch kind := r.Item.text("data_type"); kind {
		case "credential", "archive-credential":
			v, err := read(ctx, credentials, kind == "credential", id, n)
			if err != nil {
				t.Errorf("%s %s: %v", kind, id, err)
				continue
			}
			key, err := base64.StdEncoding.DecodeString(r.Crypto.DataKey)
			if err != nil || string(v.Sealed.DataKey) != string(key) || v.Sealed.Ciphertext != r.Crypto.Token || v.Sealed.Version != 2 {
				t.Errorf("%s: sealed value %+v, want the recorded key, token and version", id, v.Sealed)
			}
			got = wireOfCredential(v)
		case "blind-credential", "archive-blind-credential":
			v, err := read(ctx, s.BlindCredentials(), kind == "blind-credential", id, n)
			if err != nil {
				t.Errorf("%s %s: %v", kind, id, err)
				continue
			}
			got = wireOfBlind(v)
		case "service", "archive-service":
			v, err := read(ctx, s.Services(), kind == "service", id, n)
			if err != nil {
				t.Errorf("%s %s: %v", kind, id, err)
				continue
			}
			got = wireOfService(v)
		}
		want := maps.Clone(before[tableOf(r.Table)][r.Item.text("id")])
		delete(want, "archive_date")
		delete(want, "data_type")
		want["id"] = map[string]any{"S": id}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s %s reads otherwise (-recorded +read):\n%s", r.Item.text("data_type"), id, d)
		}
	}
	readAll(t, s)
	for name, items := range before {
		if d := cmp.Diff(items, w.items(t, name)); d != "" {
			t.Errorf("reading changed table %s:\n%s", name, d)
		}
	}
	reindex(t, s)
	after := w.items(t, table)
	for id := range after {
		if strings.HasPrefix(id, "doc/") {
			delete(after, id)
		}
	}
	if d := cmp.Diff(before[table], after); d != "" {
		t.Errorf("building claims and mappings changed rows:\n%s", d)
	}
}

// readAll reads by all the ways that go over many rows.
func readAll(t *testing.T, s store.Store) {
	t.Helper()
	ctx := t.Context()
	count := func(what string, got, want int, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s: %d rows, %v; want %d", what, got, err, want)
		}
	}
	c, err := s.Credentials().List(ctx, revision.Page{})
	count("List of credentials", len(c.Items), 2, err)
	b, err := s.BlindCredentials().List(ctx, revision.Page{})
	count("List of blind credentials", len(b.Items), 2, err)
	sv, err := s.Services().List(ctx, revision.Page{})
	count("List of services", len(sv.Items), 2, err)
	a, err := s.ArchivedCredentials().List(ctx, revision.Page{})
	count("List of archived credentials", len(a.Items), 1, err)
	c, err = s.Credentials().History(ctx, "", revision.Page{Limit: 10})
	count("History of credentials", len(c.Items), 2, err)
	c, err = s.Credentials().History(ctx, "5ea644b1bb56424d86da3e1b13fd064c", revision.Page{})
	count("History of one", len(c.Items), 2, err)
	rows, err := s.Credentials().BatchGet(ctx, []string{"5ea644b1bb56424d86da3e1b13fd064c", "b9e51a2bd10b42d9b3a0be9e3a16cc0f", "svc-a"})
	count("BatchGet", len(rows), 2, err)
	found, err := s.Catalogue().Find(ctx, store.Query{Limit: 100})
	count("Find", len(found.Entries), 6, err)
	doc, err := s.Documents().Get(ctx, store.KindMapping, "5ea644b1bb56424d86da3e1b13fd064c")
	if err != nil || string(doc.Body) != `{"services":["svc-a"]}` {
		t.Errorf("mapping: %+v, %v; want svc-a", doc, err)
	}
	report, err := s.Check(ctx)
	if d := cmp.Diff(store.CheckReport{}, report); err != nil || d != "" {
		t.Errorf("Check: %v %s", err, d)
	}
}

// olderAttributes are the attributes and types of the older service's rows, by
// data type, in the order of its own documentation.
func olderAttributes(t *testing.T) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{
		// The recording has no service with an account.
		"service": {"account": "S"}, "archive-service": {"account": "S"},
	}
	for _, i := range readRecording(t).Items {
		kind := i.Item.text("data_type")
		if all[kind] == nil {
			all[kind] = map[string]string{}
		}
		for name, typed := range i.Item {
			for ty := range typed {
				all[kind][name] = ty
			}
		}
	}
	// What one copy of a row may have, the other may.
	for _, noun := range []string{"credential", "blind-credential", "service"} {
		maps.Copy(all[noun], all["archive-"+noun])
		maps.Copy(all["archive-"+noun], all[noun])
	}
	return all
}

// ours are the attributes that go beyond the older service's.
var ours = regexp.MustCompile(`^(credential_keys|sm_[a-z_]+)$`)

var (
	storedDate = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+0000$`)
	dates      = []string{"modified_date", "last_decrypted_date", "last_rotation_date", "archive_date"}
	// required are the attributes without which the older service refuses a row.
	required = map[string][]string{
		"credential":       {"id", "data_type", "revision", "name", "credential_pairs", "enabled", "data_key", "modified_date", "modified_by", "tags"},
		"blind-credential": {"id", "data_type", "revision", "name", "credential_pairs", "enabled", "data_key", "cipher_type", "cipher_version", "modified_date", "modified_by"},
		"service":          {"id", "data_type", "revision", "enabled", "modified_date", "modified_by"},
	}
)

// checkWritten holds every item of a table to the older service's list.
func checkWritten(t *testing.T, items map[string]wireItem) {
	t.Helper()
	known := olderAttributes(t)
	for id, it := range items {
		if strings.HasPrefix(id, "doc/") {
			if kind := it.text("data_type"); !strings.HasPrefix(kind, "doc-") {
				t.Errorf("document %s has the data type %q", id, kind)
			}
			continue
		}
		kind := it.text("data_type")
		for name, typed := range it {
			for ty := range typed {
				switch want, ok := known[kind][name]; {
				case ok && ty != want:
					t.Errorf("%s %s: %s is %s, want %s", kind, id, name, ty, want)
				case !ok && (!ours.MatchString(name) || !strings.HasSuffix(kind, "credential")):
					t.Errorf("%s %s: %s is none of the older service's attributes", kind, id, name)
				}
			}
		}
		for _, name := range required[strings.TrimPrefix(kind, "archive-")] {
			if it[name] == nil {
				t.Errorf("%s %s: %s is missing", kind, id, name)
			}
		}
		for _, name := range dates {
			if it[name] != nil && !storedDate.MatchString(it.text(name)) {
				t.Errorf("%s %s: %s is %q", kind, id, name, it.text(name))
			}
		}
		if raw, ok := it["data_key"]["B"].(string); ok {
			stored, err := base64.StdEncoding.DecodeString(raw)
			if err == nil {
				_, err = base64.StdEncoding.DecodeString(string(stored))
			}
			if err != nil {
				t.Errorf("%s %s: data_key is not encoded twice: %v", kind, id, err)
			}
		}
	}
}

// TestRows_AreThoseOfTheOlderService writes each kind of row in each way.
func TestRows_AreThoseOfTheOlderService(t *testing.T) {
	t.Parallel()
	w, _ := older(t)
	if w == nil {
		return
	}
	s := w.indexed(t, w.client(nil))
	ctx := t.Context()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	before := w.items(t, table)

	// New things, whole and bare.
	full, bare := sampleCredential("ours"), sampleCredential("ours, bare")
	full.LastDecrypted = full.ModifiedDate
	full.Head = credential.Head{Stages: map[string]string{"AWSCURRENT": "1"}, LastAccessed: full.ModifiedDate}
	*bare = credential.Credential{Meta: bare.Meta, Name: bare.Name, Sealed: bare.Sealed}
	for id, v := range map[string]*credential.Credential{"c1": full, "c2": bare} {
		_, err := s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: id, Rows: []*credential.Credential{v}})
		must("creating a credential", err)
	}
	bv := &blind.Credential{
		Meta: sampleMeta(), Name: "blind", Pairs: json.RawMessage(`{"us-east-1": "x"}`), DataKey: json.RawMessage(`{"us-east-1": "eA=="}`),
		KeyNames: []string{"b", "a"}, CipherType: "fernet", CipherVersion: 2, Enabled: true, Metadata: json.RawMessage(`{}`),
	}
	_, err := s.BlindCredentials().Append(ctx, store.Write[blind.Credential]{ID: "b1", Rows: []*blind.Credential{bv}})
	must("creating a blind credential", err)
	sv := sampleService("c1", "c2")
	sv.BlindCredentials, sv.Account = []string{"b1"}, "main"
	created, err := s.Services().Append(ctx, store.Write[service.Service]{ID: "ours", Rows: []*service.Service{sv}})
	must("creating a service", err)
	_, err = s.Services().Append(ctx, store.Write[service.Service]{ID: "ours", Previous: created[0], Rows: []*service.Service{sampleService()}})
	must("emptying a service", err)

	// An older credential: amended, updated without its pairs, reverted.
	const id = "5ea644b1bb56424d86da3e1b13fd064c"
	must("amending", s.Credentials().Amend(ctx, id, 2, func(c *credential.Credential) bool {
		c.KeyNames, c.LastDecrypted = []string{"db_user", "db_password"}, full.ModifiedDate
		return true
	}))
	current, err := s.Credentials().Get(ctx, id)
	must("reading", err)
	next := current.Clone()
	next.Meta, next.Enabled = sampleMeta(), false
	_, err = s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: id, Previous: current, Rows: []*credential.Credential{next}})
	must("updating", err)
	current, err = s.Credentials().Get(ctx, id)
	must("reading", err)
	first, err := s.Credentials().Revision(ctx, id, 1)
	must("reading revision 1", err)
	back := first.Clone()
	back.Meta = sampleMeta()
	_, err = s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: id, Previous: current, Rows: []*credential.Credential{back}})
	must("reverting", err)

	// An older service mapped anew, an older blind credential changed.
	olderService, err := s.Services().Get(ctx, "svc-b")
	must("reading", err)
	mapped := olderService.Clone()
	mapped.Meta, mapped.Credentials = sampleMeta(), []string{id}
	_, err = s.Services().Append(ctx, store.Write[service.Service]{ID: "svc-b", Previous: olderService, Rows: []*service.Service{mapped}})
	must("mapping", err)
	olderBlind, err := s.BlindCredentials().Get(ctx, "3718a91a077e4b069c218554280a1540")
	must("reading", err)
	changed := olderBlind.Clone()
	changed.Meta, changed.Name = sampleMeta(), "blind, renamed"
	_, err = s.BlindCredentials().Append(ctx, store.Write[blind.Credential]{ID: olderBlind.ID, Previous: olderBlind, Rows: []*blind.Credential{changed}})
	must("renaming", err)

	after := w.items(t, table)
	checkWritten(t, after)

	// What was not to change has not, layer by layer.
	for key, names := range map[string][]string{
		id + "-1": slices.Collect(maps.Keys(before[id+"-1"])),
		id + "-2": without(before[id+"-2"], "last_decrypted_date"),
	} {
		for _, name := range names {
			if d := cmp.Diff(before[key][name], after[key][name]); d != "" {
				t.Errorf("%s of %s changed: %s", name, key, d)
			}
		}
	}
	for _, name := range without(before[id], "id", "data_type", "revision", "modified_date", "modified_by", "enabled", "last_decrypted_date") {
		if d := cmp.Diff(before[id][name], after[id+"-3"][name]); d != "" {
			t.Errorf("an update without pairs changed %s: %s", name, d)
		}
	}
	for _, name := range without(before[id+"-1"], "id", "data_type", "revision", "modified_date", "modified_by") {
		if d := cmp.Diff(before[id+"-1"][name], after[id][name]); d != "" {
			t.Errorf("a revert gave another %s: %s", name, d)
		}
	}
	for _, key := range []string{"c1", "c2", "b1", "ours", id, "svc-b", olderBlind.ID} {
		checkCopies(t, after, key)
	}
}

// without names the attributes of an item but some.
func without(it wireItem, names ...string) []string {
	return slices.DeleteFunc(slices.Collect(maps.Keys(it)), func(name string) bool { return slices.Contains(names, name) })
}

// checkCopies compares the current row with its copy in history.
func checkCopies(t *testing.T, items map[string]wireItem, id string) {
	t.Helper()
	current := maps.Clone(items[id])
	historic := maps.Clone(items[id+"-"+current["revision"]["N"].(string)])
	if want := "archive-" + current.text("data_type"); historic.text("data_type") != want {
		t.Errorf("%s: the copy in history has the data type %q, want %q", id, historic.text("data_type"), want)
	}
	for _, name := range []string{"id", "data_type", "sm_stages", "sm_last_accessed_date"} {
		delete(current, name)
		if strings.HasPrefix(name, "sm_") && historic[name] != nil {
			t.Errorf("%s: the copy in history has %s", id, name)
		}
		delete(historic, name)
	}
	if d := cmp.Diff(current, historic); d != "" {
		t.Errorf("%s: the copies differ (-current +historic):\n%s", id, d)
	}
}

// TestArchive_KeepsOlderRowsAttributeByAttribute moves a recorded credential into
// the archive and a recorded archived one out of it.
func TestArchive_KeepsOlderRowsAttributeByAttribute(t *testing.T) {
	t.Parallel()
	w, _ := older(t)
	if w == nil {
		return
	}
	s := w.indexed(t, w.client(nil))
	before := w.items(t, table)
	archivedBefore := w.items(t, archive)
	move := func(from, to store.Revisions[credential.Credential], id string) {
		t.Helper()
		current, err := from.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		history, err := from.History(t.Context(), id, revision.Page{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.Import(t.Context(), current, history.Items); err != nil {
			t.Fatal(err)
		}
		report, err := to.Import(t.Context(), current, history.Items)
		if err != nil || len(report.Same) != len(history.Items)+1 {
			t.Errorf("a second import: %+v, %v; want all the same", report, err)
		}
		if err := from.Delete(t.Context(), id, current.Revision, nil); err != nil {
			t.Fatal(err)
		}
	}
	const id, archived = "5ea644b1bb56424d86da3e1b13fd064c", "c1652b71485e412093e8b080b5c9291e"
	move(s.Credentials(), s.ArchivedCredentials(), id)
	move(s.ArchivedCredentials(), s.Credentials(), archived)
	after, archivedAfter := w.items(t, table), w.items(t, archive)
	checkWritten(t, after)
	checkWritten(t, archivedAfter)
	for _, key := range []string{id, id + "-1", id + "-2"} {
		if after[key] != nil {
			t.Errorf("%s is still in the main table", key)
		}
		if archivedAfter[key]["archive_date"] == nil {
			t.Errorf("%s has no archive_date", key)
		}
		delete(archivedAfter[key], "archive_date")
		if d := cmp.Diff(before[key], archivedAfter[key]); d != "" {
			t.Errorf("%s in the archive (-before +after):\n%s", key, d)
		}
	}
	for _, key := range []string{archived, archived + "-1"} {
		delete(archivedBefore[key], "archive_date")
		if d := cmp.Diff(archivedBefore[key], after[key]); d != "" {
			t.Errorf("%s restored (-before +after):\n%s", key, d)
		}
	}
}
