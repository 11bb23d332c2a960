package httpapi

import (
	"net/http"

	"github.com/confidant-secrets/confidant/internal/authz"
)

// pageRoutes returns the rows of the pages for people. A form is sent to the
// address of the page that shows it, so that a visitor who has to log in first
// comes back to the form.
func pageRoutes() []route {
	var table []route

	// A page that is read.
	view := func(path, page string, action authz.Action, resource authz.ResourceType) {
		table = append(table, route{
			method: http.MethodGet, path: path, access: visitor, page: page,
			action: action, resource: resource, handle: servePage,
		})
	}
	// A page with a form that changes what is stored.
	form := func(path, page string, action authz.Action, resource authz.ResourceType) {
		view(path, page, action, resource)
		table = append(table, route{
			method: http.MethodPost, path: path, access: visitor, page: page, csrf: true, maintenance: true,
			action: action, resource: resource, body: formBody, handle: servePage,
		})
	}

	view("/", "home", authz.List, "")
	view("/resources", "resources", authz.List, "")
	table[len(table)-1].compress = true // it carries no token
	for _, page := range []string{"help", "theme"} {
		view("/"+page, page, "", "")
		table[len(table)-1].recorder = byNobody
	}

	form("/credentials/new", "credential-new", authz.Create, authz.Credential)
	view("/credentials/{id}", "credential", authz.Metadata, authz.Credential)
	form("/credentials/{id}/edit", "credential-edit", authz.Update, authz.Credential)
	form("/credentials/{id}/state", "credential-state", authz.Update, authz.Credential)
	form("/credentials/{id}/archive", "credential-archive", authz.Archive, authz.Credential)
	form("/credentials/{id}/reveal", "credential-reveal", authz.Get, authz.Credential)
	table[len(table)-1].maintenance = false // it only reads
	view("/credentials/{id}/history", "credential-history", authz.Metadata, authz.Credential)
	view("/credentials/{id}/diff", "credential-compare", authz.Metadata, authz.Credential)
	view("/credentials/{id}/diff/{a}/{b}", "credential-diff", authz.Metadata, authz.Credential)
	form("/credentials/{id}/revert/{n}", "credential-revert", authz.Revert, authz.Credential)

	form("/blind-credentials/new", "blind-new", authz.Create, authz.BlindCredential)
	view("/blind-credentials/{id}", "blind", authz.Metadata, authz.BlindCredential)
	form("/blind-credentials/{id}/edit", "blind-edit", authz.Update, authz.BlindCredential)
	form("/blind-credentials/{id}/state", "blind-state", authz.Update, authz.BlindCredential)
	view("/blind-credentials/{id}/history", "blind-history", authz.Metadata, authz.BlindCredential)
	view("/blind-credentials/{id}/diff", "blind-compare", authz.Metadata, authz.BlindCredential)
	view("/blind-credentials/{id}/diff/{a}/{b}", "blind-diff", authz.Metadata, authz.BlindCredential)
	form("/blind-credentials/{id}/revert/{n}", "blind-revert", authz.Revert, authz.BlindCredential)

	// Any name may be a service's, so nothing else stands in the place of one.
	form("/new-service", "service-new", authz.Create, authz.ServiceResource)
	view("/services/{id}", "service", authz.Metadata, authz.ServiceResource)
	form("/services/{id}/edit", "service-edit", authz.Update, authz.ServiceResource)
	view("/services/{id}/candidates", "service-candidates", authz.List, "")
	form("/services/{id}/state", "service-state", authz.Update, authz.ServiceResource)
	view("/services/{id}/history", "service-history", authz.Metadata, authz.ServiceResource)
	view("/services/{id}/diff", "service-compare", authz.Metadata, authz.ServiceResource)
	view("/services/{id}/diff/{a}/{b}", "service-diff", authz.Metadata, authz.ServiceResource)
	form("/services/{id}/revert/{n}", "service-revert", authz.Revert, authz.ServiceResource)

	return table
}
