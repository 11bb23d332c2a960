package webui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/service"
	"github.com/confidant-secrets/confidant/internal/vault"
)

// newServicePage is the form for a service that is not there yet.
type newServicePage struct {
	frame
	Name        string
	NameProblem string
	Taken       string // address of the service that has the name already
	serviceFields
	Problems []string
}

// newService makes a service and goes on to mapping credentials to it.
func newService(v *visit) error {
	page := newServicePage{frame: v.framed("New service", "resources"), serviceFields: v.serviceFields("", true)}
	if !v.posts() {
		if err := v.mayCreate("services"); err != nil {
			return err
		}
		return v.render(http.StatusOK, "service_new", page)
	}
	page.Name = strings.TrimSpace(v.text("name"))
	account, enabled := v.text("account"), v.sent("enabled")
	page.serviceFields = v.serviceFields(account, enabled)
	switch {
	case page.Name == "":
		page.NameProblem = "A service needs a name."
	case !service.ValidID(page.Name) || page.Name == "." || page.Name == "..": // browsers ask for no such path
		page.NameProblem = "A name is up to 255 printable characters, without slashes and white space, and not only dots."
	case !v.offersAccount(account):
		page.AccountProblem = account + " is not an account that a service can be scoped to."
	}
	if page.NameProblem != "" || page.AccountProblem != "" {
		page.Problems = []string{mend}
		return v.render(http.StatusBadRequest, "service_new", page)
	}
	_, err := v.vault().PutService(v.r.Context(), v.Caller, page.Name, vault.ServiceChange{New: true, Enabled: &enabled, Account: account})
	if err == nil {
		return v.sendTo(serviceLink(page.Name)+"/edit", url.Values{"done": {"created"}})
	}
	words, status, ok := problemOf(err)
	if !ok {
		return err
	}
	switch {
	case fault.Is(err, fault.Exists):
		page.Taken = serviceLink(page.Name)
	case fault.Is(err, fault.Invalid): // what else can be wrong was checked above
		words = "Something else has this name, for example a revision of another service. Choose another name."
	}
	page.Problems, page.NameProblem = []string{mend}, words
	return v.render(status, "service_new", page)
}
