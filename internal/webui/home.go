package webui

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/store"
)

// latest is how many changes the home page shows.
const latest = 10

// home is the page under "/".
type home struct {
	frame
	ReadOnly  bool
	Changes   []change
	NoChanges string // in words, why there are none
}

// change is one row of the latest changes.
type change struct {
	Name     string
	Kind     string
	Link     string
	Revision int
	By       string
	When     string // in words
	Exact    string // for people
	Instant  string // for programs
}

// Home writes the first page: who is logged in, what changed last, where to go
// next. It searches once, so that the visit is one record in the audit log.
func (s *Site) Home(ctx context.Context, w http.ResponseWriter, c authz.Caller) error {
	page := home{frame: s.titled("Home", &c.Principal), ReadOnly: s.readOnly()}
	found, err := s.find(ctx, c, store.Query{Sort: store.SortModified, Descending: true, Limit: latest})
	switch {
	case fault.Is(err, fault.Denied):
		page.NoChanges = "You may not list what is stored here."
	case err != nil:
		return err
	case len(found.Entries) == 0:
		page.NoChanges = "Nothing is stored yet. A credential is a named set of key and value pairs; a service receives the credentials that are mapped to it. The README shows how to make the first ones."
	}
	for _, e := range found.Entries {
		page.Changes = append(page.Changes, change{
			Name:     e.Name,
			Kind:     words[e.Noun],
			Link:     paths[e.Noun] + url.PathEscape(e.ID) + "?metadata_only=true",
			Revision: e.Revision,
			By:       e.ModifiedBy,
			When:     ago(s.now().Sub(e.ModifiedDate)),
			Exact:    e.ModifiedDate.UTC().Format("2006-01-02 15:04:05 UTC"),
			Instant:  e.ModifiedDate.UTC().Format(time.RFC3339),
		})
	}
	return s.render(w, http.StatusOK, "home.html", page)
}

// words names the nouns for people, paths where each is read.
var (
	words = map[store.Noun]string{
		store.Credential:      "Credential",
		store.BlindCredential: "Blind credential",
		store.Service:         "Service",
	}
	paths = map[store.Noun]string{
		store.Credential:      "/v1/credentials/",
		store.BlindCredential: "/v1/blind_credentials/",
		store.Service:         "/v1/services/",
	}
)

// ago puts an age into words.
func ago(age time.Duration) string {
	count := func(n int, unit string) string {
		if n == 1 {
			return "1 " + unit + " ago"
		}
		return fmt.Sprintf("%d %ss ago", n, unit)
	}
	switch {
	case age < time.Minute:
		return "just now"
	case age < time.Hour:
		return count(int(age/time.Minute), "minute")
	case age < 24*time.Hour:
		return count(int(age/time.Hour), "hour")
	case age < 60*24*time.Hour:
		return count(int(age/(24*time.Hour)), "day")
	default:
		return count(int(age/(30*24*time.Hour)), "month")
	}
}
