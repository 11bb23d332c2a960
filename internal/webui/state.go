package webui

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/store"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// stateful is a noun as the page knows it on which a thing is enabled or
// disabled.
type stateful struct {
	noun store.Noun
	// look returns the thing as it is now.
	look func(v *visit, id string) (standing, error)
	// set stores the state, if the thing is still what the visitor has seen.
	set func(v *visit, id string, enabled bool, seen standing) error
}

// standing is a thing as it is now. Seen again it comes from a form, and then
// holds only the revision and the account.
type standing struct {
	revision.Meta
	name     string
	enabled  bool
	mayEdit  bool
	account  string // of a service
	services []vault.Dependent
}

var credentialState = stateful{
	noun: store.Credential,
	look: func(v *visit, id string) (s standing, err error) {
		d, err := v.vault().ShowCredential(v.r.Context(), v.Caller, id)
		if err != nil {
			return s, err
		}
		return standing{d.Row.Meta, d.Row.Name, d.Row.Enabled, d.Permissions["update"], "", d.Dependents}, nil
	},
	set: func(v *visit, id string, enabled bool, seen standing) error {
		_, err := v.vault().UpdateCredential(v.r.Context(), v.Caller, id, vault.CredentialChange{Enabled: &enabled, IfRevision: seen.Revision})
		return err
	},
}

// page asks whether to enable or disable a thing, and does it.
func (n stateful) page(v *visit) error {
	id := v.param("id")
	if !v.posts() {
		now, err := n.look(v, id)
		if err != nil {
			return err
		}
		return n.ask(v, http.StatusOK, now, !now.enabled, nil)
	}
	wanted := v.text("enabled") == "true"
	seen := standing{account: v.text("account")}
	if seen.Revision, _ = strconv.Atoi(v.text("revision")); seen.Revision < 1 {
		return v.sendTo(v.r.URL.EscapedPath(), nil)
	}
	err := n.set(v, id, wanted, seen)
	if err == nil {
		return v.sendTo(strings.TrimSuffix(v.r.URL.EscapedPath(), "/state"), url.Values{"done": {strings.ToLower(stateWord(wanted))}})
	}
	if _, _, ok := problemOf(err); !ok {
		return err
	}
	now, unread := n.look(v, id)
	if unread != nil {
		return unread
	}
	return n.ask(v, http.StatusConflict, now, wanted, err)
}

// ask shows what enabling or disabling a thing means; after an attempt that was
// refused also why.
func (n stateful) ask(v *visit, status int, now standing, wanted bool, refused error) error {
	do := "Disable"
	if wanted {
		do = "Enable"
	}
	if !now.mayEdit {
		return mayNot("change", strings.ToLower(nounWords[n.noun]), now.name)
	}
	page := v.asking(do, n.noun, now.ID, now.name)
	page.Words = stateMeaning(n.noun, wanted, len(now.services))
	page.Services = receivers(now.services)
	page.Hidden = []hiddenField{{"revision", strconv.Itoa(now.Revision)}, {"enabled", strconv.FormatBool(wanted)}}
	if now.account != "" {
		page.Hidden = append(page.Hidden, hiddenField{"account", now.account})
	}
	switch {
	case now.enabled == wanted:
		page.Refusals = []refusal{{Words: "It is " + strings.ToLower(stateWord(wanted)) + " already."}}
	case refused != nil && !fault.Is(refused, fault.Stale):
		var r refusal
		r, status, _ = refusalOf(n.noun, refused)
		page.Refusals = []refusal{r}
	}
	if fault.Is(refused, fault.Stale) {
		page.First = v.first(now.Meta)
	}
	return v.confirm(status, page)
}

// stateMeaning says what it means that a thing is enabled or disabled. To those
// who fetch values the state makes no difference.
func stateMeaning(noun store.Noun, enabled bool, services int) []string {
	if noun == store.Service {
		if enabled {
			return []string{"Enabled, it counts as in use again. What it receives stays as it is."}
		}
		return []string{
			"Disabled is a mark for people: the service goes on receiving what is mapped to it.",
			"To end that, unmap its credentials.",
		}
	}
	receivers := receiveIt(services)
	switch {
	case enabled && services == 0:
		return []string{"Enabled, it counts as in use again.", receivers + "."}
	case enabled:
		return []string{"Enabled, it counts as in use again.", receivers + ", before and after."}
	case services == 0:
		return []string{"Disabled is a mark for people: it says that this is not to be used any more.", receivers + ", so nobody feels this."}
	default:
		return []string{
			"Disabled is a mark for people: it says that this is not to be used any more.",
			receivers + ", and will go on to until it is unmapped there.",
		}
	}
}
