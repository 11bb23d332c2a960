package webui

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// reverts shows what reverting a thing to an earlier revision would do, and does
// it.
func (n chronicle) reverts(v *visit) error {
	to := revisionOf(v.param("n"))
	if to == 0 {
		return n.missing(nil)
	}
	if !v.posts() {
		return n.askToRevert(v, to, nil)
	}
	seen := revisionOf(v.text("revision"))
	if seen == 0 { // nothing was seen that could be reverted
		return n.askToRevert(v, to, nil)
	}
	err := n.revert(v, v.param("id"), to, seen)
	if err == nil {
		return v.sendTo(n.link(v), url.Values{"done": {"reverted"}})
	}
	return n.askToRevert(v, to, err)
}

// askToRevert shows what reverting would do; after an attempt that was refused
// also why.
func (n chronicle) askToRevert(v *visit, to int, refused error) error {
	status := http.StatusOK
	var refusals []refusal
	refuse := func(err error) error {
		if fault.Is(err, fault.NotFound) {
			return n.missing(err)
		}
		r, code, ok := refusalOf(n.noun, err)
		if !ok {
			return err
		}
		status, refusals = code, []refusal{r}
		return nil
	}
	collided := fault.Is(refused, fault.Stale)
	if refused != nil {
		if err := refuse(refused); err != nil {
			return err
		}
		if collided {
			refusals = nil // who was first is said, and that it may be done on top
		}
	}
	id := v.param("id")
	found, err := n.preview(v, id, to)
	if err != nil { // why it cannot be done now is what counts
		if err := refuse(err); err != nil {
			return err
		}
		found.name = "this " + strings.ToLower(nounWords[n.noun])
	}
	page := v.asking("Revert", n.noun, id, found.name)
	page.Back += "/history"
	page.Title += " to revision " + number(to)
	page.Refusals, page.Difference, page.Effects = refusals, found.difference, found.effects
	if err == nil {
		page.Words = []string{
			"This stores what revision " + number(to) + " held as a new revision. Revision " + number(found.Revision) + ", which is current now, stays in the history.",
		}
		page.Hidden = []hiddenField{{"revision", strconv.Itoa(found.Revision)}}
		if collided {
			page.First = v.first(found.Meta)
		}
	}
	if found.gone > 0 {
		page.Words = append(page.Words, goneWords(found.gone, to))
	}
	return v.confirm(status, page)
}

// goneWords says that some of what a revision mapped does not come back.
func goneWords(n, to int) string {
	if n == 1 {
		return "1 credential that revision " + number(to) + " mapped is no more, and stays out."
	}
	return number(n) + " credentials that revision " + number(to) + " mapped are no more, and stay out."
}
