package dynamo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/confidant-secrets/confidant/internal/blind"
	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/store"
)

// TestStore_KeysThatNothingCanHave are asked for like any other.
func TestStore_KeysThatNothingCanHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	s := w.indexed(t, w.client(nil))
	ctx := t.Context()
	row := prepareCredential(t, s, faultID, "here")
	long := strings.Repeat("x", 2049)
	for _, id := range []string{"", long} {
		_, getErr := s.Credentials().Get(ctx, id)
		_, revisionErr := s.Credentials().Revision(ctx, long, 1)
		_, documentErr := s.Documents().Get(ctx, "kind", long)
		for what, err := range map[string]error{
			"Get": getErr, "Revision": revisionErr, "Get of a document": documentErr,
			"Amend":  s.Credentials().Amend(ctx, id, 1, func(*credential.Credential) bool { return true }),
			"Delete": s.Credentials().Delete(ctx, id, 1, nil),
		} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s of %d bytes: %v, want %v", what, len(id), err, store.ErrNotFound)
			}
		}
		if rows, err := s.Credentials().BatchGet(ctx, []string{id, faultID}); err != nil || len(rows) != 1 {
			t.Errorf("BatchGet with %d bytes = %d rows, %v; want the one that is there", len(id), len(rows), err)
		}
		if _, err := s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: id, Rows: []*credential.Credential{row}}); err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Append at %d bytes: %v, want it refused", len(id), err)
		}
		if slice, err := s.Credentials().History(ctx, id, revision.Page{Limit: 1}); id != "" && (err != nil || len(slice.Items) > 0) {
			t.Errorf("History of %d bytes = %d rows, %v", len(id), len(slice.Items), err)
		}
	}
	_, err := s.Credentials().List(ctx, revision.Page{Limit: 1, After: &revision.Cursor{List: "credential", ID: long}})
	if !errors.Is(err, revision.ErrCursor) {
		t.Errorf("List behind a key that nothing can have: %v, want %v", err, revision.ErrCursor)
	}
	_, err = s.Credentials().History(ctx, faultID, revision.Page{Limit: 1, After: &revision.Cursor{List: "archive-credential", ID: otherID + "-1"}})
	if !errors.Is(err, revision.ErrCursor) {
		t.Errorf("History behind a revision of another: %v, want %v", err, revision.ErrCursor)
	}
}

// TestStore_RowsOfFullSize move more bytes than one request takes.
func TestStore_RowsOfFullSize(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	s := w.indexed(t, w.client(nil))
	ctx := t.Context()
	full := func(n int) *credential.Credential {
		v := sampleCredential("full")
		v.ID, v.Revision, v.Sealed.Ciphertext = faultID, n, strings.Repeat("x", 370<<10)
		return v
	}
	var history []*credential.Credential
	for n := range 48 { // 17 MB
		history = append(history, full(n+1))
	}
	current := history[len(history)-1]
	if _, err := s.Credentials().Import(ctx, current, history); err != nil {
		t.Fatalf("Import: %v", err)
	}
	slice, err := s.Credentials().History(ctx, faultID, revision.Page{})
	if err != nil || len(slice.Items) != 48 {
		t.Errorf("History = %d rows, %v; want 48", len(slice.Items), err)
	}
	rows := []*credential.Credential{full(0), full(0), full(0), full(0), full(0)}
	if _, err := s.Credentials().Append(ctx, store.Write[credential.Credential]{ID: faultID, Previous: current, Rows: rows}); err != nil {
		t.Errorf("Append of as many rows as there may be: %v", err)
	}
	if err := s.Credentials().Delete(ctx, faultID, 53, nil); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if left := w.items(t, table); len(left) != 1 {
		t.Errorf("%d items are left, want the marker", len(left))
	}
	large := full(1)
	large.Sealed.Ciphertext = strings.Repeat("x", store.MaxRowBytes)
	if _, err := s.Credentials().Import(ctx, large, nil); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("Import of a row beyond the limit: %v, want %v", err, store.ErrTooLarge)
	}
	_, err = s.Documents().Put(ctx, store.Document{Kind: "k", ID: "x", Body: json.RawMessage(`"` + large.Sealed.Ciphertext + `"`)}, 0)
	if !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("Put of a document beyond the limit: %v, want %v", err, store.ErrTooLarge)
	}
}

// TestAppend_MappingDocumentAtItsLimit is mapped by as many services as fit.
func TestAppend_MappingDocumentAtItsLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	s := w.indexed(t, w.client(nil))
	var m store.Mapping
	for i := range 1620 {
		m.Services = append(m.Services, fmt.Sprintf("%0250d", i))
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	w.damage(t, store.KindMapping, faultID, raw)
	_, err = s.Services().Append(t.Context(), store.Write[service.Service]{ID: strings.Repeat("s", 250), Rows: []*service.Service{sampleService(faultID)}})
	if err == nil { // a few more bytes fit
		for i := 0; err == nil && i < 40; i++ {
			_, err = s.Services().Append(t.Context(), store.Write[service.Service]{ID: fmt.Sprintf("%s%02d", strings.Repeat("t", 250), i), Rows: []*service.Service{sampleService(faultID)}})
		}
	}
	if !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("one service too many: %v, want %v", err, store.ErrTooLarge)
	}
}

// TestRows_SayNoMoreThanASetCanHold has key names that DynamoDB does not take.
func TestRows_SayNoMoreThanASetCanHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	s := w.indexed(t, w.client(nil))
	v := sampleCredential("c")
	v.KeyNames = []string{"", "a"}
	rows, err := s.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: "c", Rows: []*credential.Credential{v}})
	if err != nil || rows[0].KeyNames != nil {
		t.Errorf("Append = %v; want a row that does not tell its names", err)
	}
	b := &blind.Credential{Meta: sampleMeta(), Name: "b", Pairs: json.RawMessage(`{}`), DataKey: json.RawMessage(`{}`), KeyNames: []string{"", "a"}, CipherType: "fernet", CipherVersion: 2}
	blinds, err := s.BlindCredentials().Append(t.Context(), store.Write[blind.Credential]{ID: "b", Rows: []*blind.Credential{b}})
	if err != nil || !slices.Equal(blinds[0].KeyNames, []string{"a"}) {
		t.Errorf("Append = %+v, %v; want the names that a set can hold", blinds, err)
	}
}

// TestAppend_ReturnsRowsAsTheyStand for several rows: heads are of the last alone.
func TestAppend_ReturnsRowsAsTheyStand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	s := w.indexed(t, w.client(nil))
	headed := func() *credential.Credential {
		v := sampleCredential("headed")
		v.Head.Stages = map[string]string{"AWSCURRENT": "x"}
		return v
	}
	rows, err := s.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: faultID, Rows: []*credential.Credential{headed(), headed()}})
	if err != nil || rows[0].Head.Stages != nil || rows[1].Head.Stages == nil {
		t.Errorf("Append = %+v, %v; want a head in the last row alone", rows, err)
	}
	services, err := s.Services().Append(t.Context(), store.Write[service.Service]{ID: "s", Rows: []*service.Service{sampleService("b", "a", "b")}})
	if err != nil || !slices.Equal(services[0].Credentials, []string{"a", "b"}) {
		t.Errorf("Append = %+v, %v; want the mapping sorted, each once", services, err)
	}
}

// TestDelete_OfAServiceThatMapsMuch is killed at each of its requests: the row and
// the mapping documents say the same at any time, and a repetition ends it.
func TestDelete_OfAServiceThatMapsMuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	var requests, killAt atomic.Int64
	var kill atomic.Pointer[context.CancelFunc]
	s := w.indexed(t, w.client(intercept(func(e *exchange) (*http.Response, error) {
		if requests.Add(1) == killAt.Load() {
			(*kill.Load())()
			return nil, context.Canceled
		}
		return e.send()
	})))
	var ids []string
	for i := range 230 {
		ids = append(ids, olderID(i))
	}
	row := sampleService(ids...)
	row.ID, row.Revision = "much", 1
	if _, err := s.Services().Import(t.Context(), row, []*service.Service{row}); err != nil {
		t.Fatal(err)
	}
	checkDocuments(t, w)
	killed := 0
	for at := int64(1); ; at++ {
		ctx, cancel := context.WithCancel(t.Context())
		kill.Store(&cancel)
		requests.Store(0)
		killAt.Store(at)
		err := s.Services().Delete(ctx, "much", 1, nil)
		cancel()
		checkDocuments(t, w)
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("killed at request %d: %v", at, err)
		}
		killed++
	}
	killAt.Store(0)
	if _, err := s.Services().Get(t.Context(), "much"); !errors.Is(err, store.ErrNotFound) || killed < 4 {
		t.Errorf("after %d kills: %v, want %v", killed, err, store.ErrNotFound)
	}
}

// TestReplaceCurrent_MovesClaimAndMappings although the archive, which needs it,
// has neither.
func TestReplaceCurrent_MovesClaimAndMappings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	s := w.indexed(t, w.client(nil))
	prepareCredential(t, s, faultID, "before")
	v := sampleCredential("after")
	v.ID, v.Revision = faultID, 3
	if err := s.Credentials().ReplaceCurrent(t.Context(), 1, v); err != nil {
		t.Fatal(err)
	}
	appendService(t, s, "s", nil, sampleService("a", "b"))
	sv := sampleService("b", "c")
	sv.ID, sv.Revision = "s", 2
	if err := s.Services().ReplaceCurrent(t.Context(), 1, sv); err != nil {
		t.Fatal(err)
	}
	checkDocuments(t, w)
}
