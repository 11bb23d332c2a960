package webui

import (
	"net/http"
	"strconv"

	"github.com/confidant-secrets/confidant/internal/fault"
)

// diffPage shows how two revisions of one thing differ.
type diffPage struct {
	frame
	Kind, Name, Link string
	Before, After    revisionFacts
	Difference       *difference
	RevertLink       string // to the earlier one
}

// revisionFacts is who made a revision.
type revisionFacts struct {
	Revision int
	When     *moment
	By       string
}

// diff shows how two revisions of one thing differ, from the earlier one to the
// later.
func (n chronicle) diff(v *visit) error {
	a, b := revisionOf(v.param("a")), revisionOf(v.param("b"))
	if a == 0 || b == 0 {
		return n.missing(nil)
	}
	found, err := n.compare(v, v.param("id"), a, b)
	switch {
	case fault.Is(err, fault.NotFound):
		return n.missing(err)
	case err != nil:
		return err
	}
	page := diffPage{
		frame: v.framed("Difference of "+found.name, "resources"), Kind: nounWords[n.noun], Name: found.name, Link: n.link(v),
		Before:     revisionFacts{found.before.Revision, v.at(found.before.ModifiedDate), found.before.ModifiedBy},
		After:      revisionFacts{found.after.Revision, v.at(found.after.ModifiedDate), found.after.ModifiedBy},
		Difference: found.difference,
	}
	if found.permissions["revert"] && !v.s.readOnly() && found.difference.Nothing == "" {
		page.RevertLink = page.Link + "/revert/" + strconv.Itoa(found.before.Revision)
	}
	return v.render(http.StatusOK, "diff", page)
}
