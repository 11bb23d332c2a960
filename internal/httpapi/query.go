package httpapi

import (
	"net/url"
	"strconv"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
)

// Names of the lists in page tokens: the data types of the rows.
const (
	listCredentials       = "credential"
	listCredentialHistory = "archive-credential"
	listBlind             = "blind-credential"
	listBlindHistory      = "archive-blind-credential"
	listServices          = "service"
	listServiceHistory    = "archive-service"
)

// query returns the query parameters. What cannot be parsed is left out, as if
// absent.
func (c *call) query() url.Values {
	if c.r.URL.RawQuery == "" {
		return nil
	}
	return c.r.URL.Query()
}

// metadataOnly reads the parameter of that name: exactly "true", "True" and "1"
// are true.
func (c *call) metadataOnly() bool {
	switch c.query().Get("metadata_only") {
	case "true", "True", "1":
		return true
	default:
		return false
	}
}

// page reads which page of the named list is wanted. A limit that is no number,
// zero or negative counts as absent; usual is what then applies, 0 for all.
func (c *call) page(list string, usual int) (revision.Page, error) {
	q := c.query()
	page := revision.Page{Limit: usual}
	if n, err := strconv.Atoi(q.Get("limit")); err == nil && n > 0 {
		page.Limit = n
	}
	token := q.Get("page")
	if token == "" {
		token = q.Get("next_page")
	}
	if token == "" {
		return page, nil
	}
	after, err := revision.ParseCursor(list, token)
	if err != nil {
		return page, fault.Wrap(fault.Invalid, "Failed to parse page", err)
	}
	page.After = after
	return page, nil
}

// currentPage is page for the lists of current rows, where only a limit makes
// pages: without one a token is checked and the whole list is returned.
func (c *call) currentPage(list string) (revision.Page, error) {
	page, err := c.page(list, 0)
	if page.Limit == 0 {
		page.After = nil
	}
	return page, err
}

// historyPage is page for the lists of historic rows.
func (c *call) historyPage(list string) (revision.Page, error) {
	return c.page(list, c.s.settings.HistoryPageLimit)
}

// ifMatch reads the precondition of a change: the revision the caller last saw,
// quoted as in the ETag; 0 if there is none.
func (c *call) ifMatch() (int, error) {
	text := c.r.Header.Get("If-Match")
	if text == "" {
		return 0, nil
	}
	if len(text) > 2 && text[0] == '"' && text[len(text)-1] == '"' {
		if n, err := strconv.Atoi(text[1 : len(text)-1]); err == nil && n > 0 {
			return n, nil
		}
	}
	return 0, fault.New(fault.Invalid, `If-Match must be one quoted revision, such as "3".`)
}
