package revision_test

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/confidant-secrets/confidant/internal/revision"
)

func TestCursor_TokenRoundTrip(t *testing.T) {
	t.Parallel()
	want := revision.Cursor{
		List:         "archive-credential",
		ModifiedDate: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
		ID:           "dienst-ü-3",
	}
	got, err := revision.ParseCursor(want.List, want.Token())
	if err != nil || *got != want {
		t.Fatalf("ParseCursor(Token()) = %+v, %v; want %+v", got, err, want)
	}
}

func TestParseCursor_ReadsTheOlderServicesToken(t *testing.T) {
	t.Parallel()
	token := base64.StdEncoding.EncodeToString([]byte(
		`{"id": {"S": "svc-a"}, "data_type": {"S": "service"}, "modified_date": {"S": "2020-01-02T03:04:05.000001+0000"}}`))
	got, err := revision.ParseCursor("service", token)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "svc-a" || !got.ModifiedDate.Equal(time.Date(2020, 1, 2, 3, 4, 5, 1000, time.UTC)) {
		t.Errorf("ParseCursor = %+v", got)
	}
}

func TestParseCursor_RefusesWhatIsNoTokenOfTheList(t *testing.T) {
	t.Parallel()
	other := revision.Cursor{List: "service", ModifiedDate: time.Unix(0, 0), ID: "x"}.Token()
	raw := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for name, text := range map[string]string{
		"empty":          "",
		"of other list":  other,
		"no base64":      "!!!",
		"no JSON":        raw("x"),
		"array":          raw("[]"),
		"no date":        raw(`{"l":"credential","d":"","i":"x"}`),
		"bad date":       raw(`{"l":"credential","d":"yesterday","i":"x"}`),
		"no id":          raw(`{"l":"credential","d":"2020-01-02T03:04:05.000001+0000","i":""}`),
		"older, numbers": raw(`{"id":{"N":1},"data_type":{"S":"credential"}}`),
		"too long":       string(make([]byte, 5000)),
	} {
		if got, err := revision.ParseCursor("credential", text); !errors.Is(err, revision.ErrCursor) {
			t.Errorf("%s: ParseCursor = %+v, %v; want ErrCursor", name, got, err)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(revision.Cursor{List: "credential", ModifiedDate: time.Unix(1, 0), ID: "a"}.Token())
	f.Add("eyJpZCI6IHsiUyI6ICJhIn19")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := revision.ParseCursor("credential", text)
		if err != nil {
			return
		}
		again, err := revision.ParseCursor("credential", c.Token())
		if err != nil || *again != *c {
			t.Errorf("token of %+v reads as %+v, %v", c, again, err)
		}
	})
}
