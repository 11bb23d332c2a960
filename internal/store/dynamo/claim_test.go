package dynamo_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/confidant-secrets/confidant/internal/credential"
	"github.com/confidant-secrets/confidant/internal/store"
)

// TestAppend_TakesClaimsOfThoseWhoAreGone plants claims that the older service
// left behind by renaming and deleting.
func TestAppend_TakesClaimsOfThoseWhoAreGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	s := w.indexed(t, w.client(nil))
	prepareCredential(t, s, faultID, "of today")
	appendService(t, s, "a service", nil, sampleService())
	for name, body := range map[string]any{
		"of one who was deleted":       store.Claim{ID: "gone"},
		"of one who was renamed":       store.Claim{ID: faultID},
		"of something else by now":     store.Claim{ID: "a service"},
		"that names nobody":            store.Claim{},
		"that says nothing":            []int{1},
		"of a revision":                store.Claim{ID: faultID + "-1"},
		"of the one that wants it":     store.Claim{ID: "wants"},
		"of a key that nothing can be": store.Claim{ID: string(make([]byte, 3000))},
	} {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		w.damage(t, store.KindCredentialName, store.NameID(name), raw)
		rows, err := s.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: "wants", Rows: []*credential.Credential{sampleCredential(name)}})
		if err != nil {
			t.Errorf("a claim %s: %v, want it taken over", name, err)
			continue
		}
		if got := w.items(t, table)["doc/credential-name/"+store.NameID(name)].text("body"); got != `{"id":"wants"}` {
			t.Errorf("a claim %s holds %s", name, got)
		}
		if err := s.Credentials().Delete(t.Context(), "wants", rows[0].Revision, nil); err != nil {
			t.Fatal(err)
		}
	}
	// An import does the same.
	w.damage(t, store.KindCredentialName, store.NameID("imported"), json.RawMessage(`{"id":"gone"}`))
	v := sampleCredential("imported")
	v.ID, v.Revision = "imported", 1
	if report, err := s.Credentials().Import(t.Context(), v, []*credential.Credential{v}); err != nil || report.NameTaken != "" {
		t.Errorf("Import = %+v, %v; want the name taken over", report, err)
	}
}

// TestAppend_LeavesAClaimWhoseHolderComesBack has the holder take its old name
// again in the moment between the look at it and the take-over.
func TestAppend_LeavesAClaimWhoseHolderComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	s := w.indexed(t, w.client(nil))
	before := prepareCredential(t, s, faultID, "away")
	w.damage(t, store.KindCredentialName, store.NameID("contested"), json.RawMessage(`{"id":"`+faultID+`"}`))
	var (
		once      sync.Once
		looked    atomic.Bool
		contender = w.open(t, w.client(intercept(func(e *exchange) (*http.Response, error) {
			if e.operation == "TransactWriteItems" && looked.Load() {
				once.Do(func() {
					row := sampleCredential("contested")
					_, err := s.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: faultID, Previous: before, Rows: []*credential.Credential{row}})
					if err != nil {
						t.Errorf("going back to the old name: %v", err)
					}
				})
			}
			if e.operation == "GetItem" {
				looked.Store(true)
			}
			return e.send()
		})))
	)
	looked.Store(false) // Open read the marker
	_, err := contender.Credentials().Append(t.Context(), store.Write[credential.Credential]{ID: otherID, Rows: []*credential.Credential{sampleCredential("contested")}})
	if taken, ok := errors.AsType[*store.TakenError](err); !ok || taken.Holder != faultID {
		t.Errorf("Append: %v, want the name taken by %s", err, faultID)
	}
	checkDocuments(t, w)
}

// TestAppend_SkipsManyNumbersAtOnce has services sit on the keys of revisions.
func TestAppend_SkipsManyNumbersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w == nil {
		return
	}
	count := &counter{}
	s := w.indexed(t, w.client(count.trace))
	for n := 1; n <= 250; n++ {
		it := wire{"enabled": {"BOOL": true}}
		it.text("id", "foo-"+strconv.Itoa(n))
		it.text("data_type", "service")
		it.number("revision", 1)
		it.date("modified_date", olderBegin)
		it.text("modified_by", "alice")
		w.put(t, table, it)
	}
	count.reset()
	stored := appendService(t, s, "foo", nil, sampleService())
	if stored.Revision != 251 {
		t.Errorf("the revision is %d, want 251", stored.Revision)
	}
	if got, want := count.reset(), "5: BatchGetItem 3, TransactWriteItems 2"; got != want {
		t.Errorf("skipping 250 numbers takes %q, want %q", got, want)
	}
}

// TestAmend_LeavesAloneWhatItDoesNotChange amends a row whose two copies differ,
// as older rows may.
func TestAmend_LeavesAloneWhatItDoesNotChange(t *testing.T) {
	t.Parallel()
	w, _ := older(t)
	if w == nil {
		return
	}
	const id = "5ea644b1bb56424d86da3e1b13fd064c"
	_, err := w.behind.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String(table), Key: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id + "-2"}},
		UpdateExpression:          aws.String("SET documentation = :d, unheard_of = :d"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":d": &types.AttributeValueMemberS{Value: "another"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	before := w.items(t, table)
	s := w.indexed(t, w.client(nil))
	at := sampleMeta().ModifiedDate
	if err := s.Credentials().Amend(t.Context(), id, 2, func(c *credential.Credential) bool { c.LastDecrypted = at; return true }); err != nil {
		t.Fatal(err)
	}
	after := w.items(t, table)
	for _, key := range []string{id, id + "-2"} {
		if after[key].text("last_decrypted_date") == before[key].text("last_decrypted_date") {
			t.Errorf("%s was not amended", key)
		}
		for _, name := range without(before[key], "last_decrypted_date") {
			if got, want := after[key].text(name), before[key].text(name); got != want {
				t.Errorf("%s of %s is %q, want %q", name, key, got, want)
			}
		}
	}
}
