package dynamo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/store"
)

// fault is what happens to a call: which operation on the wire comes to harm, of
// which kind, and how often.
type fault struct {
	call      string
	operation string
	harm      string
	times     int
	want      outcome
}

type outcome string

const (
	succeeds outcome = "succeeds"
	fails    outcome = "fails" // as unavailable, with nothing done or all
	forEver          = -1
)

var harms = map[string]harm{
	"not sent": unsent, "silence": silence, "reply lost": lost, "reply late": late, "empty reply": empty, "garbled reply": garbled,
	"half a reply": half, "torn reply": torn, "stalled reply": stalled,
	"internal error": status(500), "bad gateway": status(502), "unavailable": status(503), "not JSON, 400": status(400),
	"server error": func(x *passage) {
		x.answer(500, []byte(`{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"made up"}`))
	},
	"throttled":            refuse("ThrottlingException"),
	"over capacity":        refuse("ProvisionedThroughputExceededException"),
	"over request limit":   refuse("RequestLimitExceeded"),
	"in progress":          refuse("TransactionInProgressException"),
	"no table":             refuse("ResourceNotFoundException"),
	"no permission":        refuse("AccessDeniedException"),
	"expired token":        refuse("ExpiredTokenException"),
	"conflict":             cancel("TransactionConflict"),
	"throttled action":     cancel("ThrottlingError"),
	"action over capacity": cancel("ProvisionedThroughputExceeded"),
	"lost, then throttled": first(lost, refuse("ThrottlingException")),
	"half done":            leave(func(n int) int { return n / 2 }),
	"one done":             leave(func(n int) int { return n - 1 }),
	"none done":            leave(func(n int) int { return n }),
}

var faults = []fault{
	// A revision is one transaction: whatever happens to it, it is there once.
	{"create", "TransactWriteItems", "throttled", 1, succeeds},
	{"create", "TransactWriteItems", "throttled", forEver, fails},
	{"create", "TransactWriteItems", "over capacity", 2, succeeds},
	{"create", "TransactWriteItems", "over request limit", 2, succeeds},
	{"create", "TransactWriteItems", "server error", 2, succeeds},
	{"create", "TransactWriteItems", "internal error", forEver, fails},
	{"create", "TransactWriteItems", "bad gateway", 1, succeeds},
	{"create", "TransactWriteItems", "unavailable", 2, succeeds},
	{"create", "TransactWriteItems", "not JSON, 400", 1, succeeds},
	{"create", "TransactWriteItems", "not sent", 2, succeeds},
	{"create", "TransactWriteItems", "not sent", forEver, fails},
	{"create", "TransactWriteItems", "silence", 1, succeeds},
	{"create", "TransactWriteItems", "silence", forEver, fails},
	{"create", "TransactWriteItems", "reply lost", 2, succeeds},
	{"create", "TransactWriteItems", "reply lost", forEver, fails},
	{"create", "TransactWriteItems", "lost, then throttled", 5, succeeds},
	{"create", "TransactWriteItems", "lost, then throttled", forEver, fails},
	{"create", "TransactWriteItems", "reply late", 1, succeeds},
	{"create", "TransactWriteItems", "empty reply", 1, succeeds},
	{"create", "TransactWriteItems", "garbled reply", 1, succeeds},
	{"create", "TransactWriteItems", "garbled reply", forEver, fails},
	{"create", "TransactWriteItems", "half a reply", 2, succeeds},
	{"create", "TransactWriteItems", "torn reply", 1, succeeds},
	{"create", "TransactWriteItems", "stalled reply", 1, succeeds},
	{"create", "TransactWriteItems", "conflict", 3, succeeds},
	{"create", "TransactWriteItems", "conflict", forEver, fails},
	{"create", "TransactWriteItems", "throttled action", 2, succeeds},
	{"create", "TransactWriteItems", "action over capacity", 2, succeeds},
	{"create", "TransactWriteItems", "in progress", 4, succeeds},
	{"create", "TransactWriteItems", "no permission", 1, fails},
	{"create", "TransactWriteItems", "expired token", 1, fails},
	{"create", "TransactWriteItems", "no table", 1, fails},
	{"update", "TransactWriteItems", "reply lost", 1, succeeds},
	{"update", "TransactWriteItems", "reply late", forEver, fails},
	{"update", "TransactWriteItems", "conflict", 2, succeeds},
	{"rename", "TransactWriteItems", "reply lost", 2, succeeds},
	{"rename", "TransactWriteItems", "reply lost", forEver, fails},
	{"map", "TransactWriteItems", "reply lost", 1, succeeds},
	{"map", "TransactWriteItems", "stalled reply", forEver, fails},
	{"map", "TransactWriteItems", "conflict", 3, succeeds},
	{"amend", "TransactWriteItems", "reply lost", 1, succeeds},
	{"amend", "TransactWriteItems", "internal error", forEver, fails},
	{"amend", "BatchGetItem", "throttled", forEver, fails},
	{"amend", "BatchGetItem", "half done", 1, succeeds},
	{"put document", "TransactWriteItems", "reply lost", 2, succeeds},
	{"put document", "TransactWriteItems", "throttled", 4, succeeds},
	{"put document", "TransactWriteItems", "reply lost", forEver, fails},
	{"replace expired document", "TransactWriteItems", "reply lost", 1, succeeds},
	{"delete document", "TransactWriteItems", "reply lost", 1, succeeds},
	{"delete document", "GetItem", "no table", 1, fails},
	// What takes several transactions can be repeated.
	{"import", "TransactWriteItems", "reply lost", 2, succeeds},
	{"import", "TransactWriteItems", "internal error", forEver, fails},
	{"import", "TransactWriteItems", "conflict", 3, succeeds},
	{"import", "BatchGetItem", "one done", 3, succeeds},
	{"import", "BatchGetItem", "internal error", forEver, fails},
	{"delete", "TransactWriteItems", "reply lost", 2, succeeds},
	{"delete", "TransactWriteItems", "internal error", forEver, fails},
	{"delete", "BatchGetItem", "half done", 2, succeeds},
	{"delete", "GetItem", "silence", forEver, fails},
	{"reindex", "Scan", "throttled", 2, succeeds},
	{"reindex", "Scan", "internal error", forEver, fails},
	{"reindex", "TransactWriteItems", "reply lost", 1, succeeds},
	{"reindex", "TransactWriteItems", "no permission", forEver, fails},
	{"reindex", "BatchGetItem", "half done", 1, succeeds},
	{"purge", "Query", "throttled", 1, succeeds},
	{"purge", "TransactWriteItems", "internal error", forEver, fails},
	// A read says what is there, or that it does not know.
	{"get", "GetItem", "throttled", 4, succeeds},
	{"get", "GetItem", "over capacity", forEver, fails},
	{"get", "GetItem", "internal error", forEver, fails},
	{"get", "GetItem", "empty reply", 2, succeeds},
	{"get", "GetItem", "empty reply", forEver, fails},
	{"get", "GetItem", "garbled reply", forEver, fails},
	{"get", "GetItem", "torn reply", 2, succeeds},
	{"get", "GetItem", "stalled reply", 1, succeeds},
	{"get", "GetItem", "silence", forEver, fails},
	{"get", "GetItem", "not sent", forEver, fails},
	{"get", "GetItem", "no table", 1, fails},
	{"get many", "BatchGetItem", "half done", 1, succeeds},
	{"get many", "BatchGetItem", "one done", 5, succeeds},
	{"get many", "BatchGetItem", "none done", forEver, fails},
	{"get many", "BatchGetItem", "throttled", 2, succeeds},
	{"get many", "BatchGetItem", "half a reply", forEver, fails},
	{"history", "BatchGetItem", "half done", 2, succeeds},
	{"history", "GetItem", "internal error", forEver, fails},
	{"history", "BatchGetItem", "silence", forEver, fails},
	{"who maps", "GetItem", "bad gateway", 2, succeeds},
	{"who maps", "GetItem", "no table", 1, fails},
	{"list", "Query", "throttled", 4, succeeds},
	{"list", "Query", "unavailable", forEver, fails},
	{"list", "Query", "half a reply", 1, succeeds},
	{"find", "Query", "over capacity", 1, succeeds},
	{"find", "Query", "internal error", forEver, fails},
}

// bound is how long a call may take, come what may.
const bound = 25 * time.Second

// TestStore_UnderFaults does each call under its fault. A call that answers has
// done its work, a call that does not know says so; nothing is done twice, and
// once the fault is over the call can be made again.
func TestStore_UnderFaults(t *testing.T) {
	t.Parallel()
	if w := newWorld(t); w == nil {
		return
	}
	for _, f := range faults {
		times := strconv.Itoa(f.times)
		if f.times < 0 {
			times = "for ever"
		}
		t.Run(fmt.Sprintf("%s, %s: %s, %s", f.call, f.operation, f.harm, times), func(t *testing.T) {
			t.Parallel()
			underFault(t, f)
		})
	}
}

func underFault(t *testing.T, f fault) {
	w := newWorld(t)
	p := newProxy(t, w)
	sound := w.indexed(t, w.client(nil))
	call := calls[f.call](t, w, sound)
	s := w.open(t, p.client())
	p.do(f.operation, f.times, harms[f.harm])

	started := time.Now()
	err := call.do(t.Context(), s)
	if took := time.Since(started); took > bound {
		t.Errorf("it took %v, want less than %v", took, bound)
	}
	harmed := p.lift()
	if harmed == 0 || f.times > 0 && harmed < f.times {
		t.Errorf("the fault came about %d times", harmed)
	}
	switch {
	case f.want == succeeds && err != nil:
		t.Errorf("%v, want no error", err)
	case f.want == fails && !errors.Is(err, store.ErrUnavailable):
		t.Errorf("error %v, want %v", err, store.ErrUnavailable)
	}
	for _, wrong := range []error{store.ErrNotFound, store.ErrTaken, store.ErrStale, store.ErrTooLarge} {
		if errors.Is(err, wrong) {
			t.Errorf("error %v, which says something wrong about the data", err)
		}
	}
	if call.check == nil { // a read
		if err := call.do(t.Context(), s); err != nil {
			t.Errorf("after the fault: %v", err)
		}
		return
	}
	done, problem := call.check(t.Context(), sound)
	if problem != "" {
		t.Errorf("after the call: %s", problem)
	}
	if err == nil && !done {
		t.Error("the call answered and has done nothing")
	}
	if !done {
		if err := call.do(t.Context(), s); err != nil {
			t.Errorf("again after the fault: %v", err)
		}
		if done, problem := call.check(t.Context(), sound); !done || problem != "" {
			t.Errorf("after the repetition: done %v, %s", done, problem)
		}
	}
}

// leave makes the service leave some of the keys of a batch unprocessed: as many
// as f says of so many.
func leave(f func(n int) int) harm {
	return func(x *passage) {
		var in struct {
			RequestItems map[string]map[string]any
		}
		if err := json.Unmarshal(x.body, &in); err != nil {
			panic(err)
		}
		left := map[string]any{}
		for name, ask := range in.RequestItems {
			keys := ask["Keys"].([]any)
			n := f(len(keys))
			if n > 0 {
				rest := map[string]any{}
				for member, value := range ask {
					rest[member] = value
				}
				rest["Keys"] = keys[len(keys)-n:]
				left[name] = rest
			}
			ask["Keys"] = keys[:len(keys)-n]
			if n == len(keys) {
				delete(in.RequestItems, name)
			}
		}
		out := map[string]any{"Responses": map[string]any{}}
		if len(in.RequestItems) > 0 {
			var err error
			if x.body, err = json.Marshal(in); err != nil {
				panic(err)
			}
			_, answer := x.ask()
			if err := json.Unmarshal(answer, &out); err != nil {
				panic(err)
			}
		}
		out["UnprocessedKeys"] = left
		answer, err := json.Marshal(out)
		if err != nil {
			panic(err)
		}
		x.answer(200, answer)
	}
}
