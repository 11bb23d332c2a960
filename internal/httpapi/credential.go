package httpapi

import (
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func listCurrentCredentials(c *call) error {
	page, err := c.currentPage(listCredentials)
	if err != nil {
		return err
	}
	slice, err := c.vault().ListCredentials(c.ctx(), c.caller, page)
	if err != nil {
		return err
	}
	return c.sendCredentials("credentials", slice, page.Limit == 0)
}

func listHistoricCredentials(c *call) error {
	page, err := c.historyPage(listCredentialHistory)
	if err != nil {
		return err
	}
	slice, err := c.vault().CredentialHistory(c.ctx(), c.caller, page)
	if err != nil {
		return err
	}
	return c.sendCredentials("credentials", slice, false)
}

// sendCredentials answers with a list in the order of lower-cased names. Equal
// names stand as the query gave them: newest first, or oldest first where
// everything was asked for.
func (c *call) sendCredentials(member string, slice revision.Slice[vault.CredentialView], oldestFirst bool) error {
	items := slice.Items
	order := sorted(len(items), oldestFirst, func(i int) string { return items[i].Row.Name })
	return c.sendList(member, len(items), slice.Next, func(b []byte, i int) []byte {
		return appendCredential(b, &items[order[i]])
	})
}

func listCredentialRevisions(c *call) error {
	items, err := c.vault().CredentialRevisions(c.ctx(), c.caller, c.param("id"))
	if err != nil {
		return err
	}
	return c.sendList("revisions", len(items), nil, func(b []byte, i int) []byte {
		return appendCredential(b, &items[i])
	})
}

func getCredential(c *call) error {
	view, err := c.vault().GetCredential(c.ctx(), c.caller, c.param("id"), c.metadataOnly())
	if err != nil {
		return err
	}
	c.setETag(view.Row.Revision)
	return c.sendCredential(view)
}

func createCredential(c *call) error {
	in, _, err := c.input()
	if err != nil {
		return err
	}
	view, err := c.vault().CreateCredential(c.ctx(), c.caller, in.newCredential())
	if err != nil {
		return err
	}
	return c.sendCredential(view)
}

func updateCredential(c *call) error {
	in, ifRevision, err := c.input()
	if err != nil {
		return err
	}
	view, err := c.vault().UpdateCredential(c.ctx(), c.caller, c.param("id"), in.credentialChange(ifRevision))
	if err != nil {
		return err
	}
	return c.sendCredential(view)
}

func revertCredential(c *call) error {
	ifRevision, err := c.revertInput()
	if err != nil {
		return err
	}
	view, err := c.vault().RevertCredential(c.ctx(), c.caller, c.param("id"), c.revision("to_revision"), ifRevision)
	if err != nil {
		return err
	}
	return c.sendCredential(view)
}

func (c *call) sendCredential(view vault.CredentialView) error {
	size := sizeOfCredential(&view)
	return c.send(size, func(b []byte) []byte { return appendCredential(b, &view) })
}

func diffCredential(c *call) error {
	diff, err := c.vault().DiffCredential(c.ctx(), c.caller, c.param("id"), c.revision("old_revision"), c.revision("new_revision"))
	if err != nil {
		return err
	}
	return c.sendValue(diff)
}

func listCredentialDependents(c *call) error {
	services, err := c.vault().CredentialDependents(c.ctx(), c.caller, c.param("id"))
	if err != nil {
		return err
	}
	return c.send(0, func(b []byte) []byte { return appendDependents(b, services) })
}

func archiveCredential(c *call) error {
	in, _, err := c.input()
	if err != nil {
		return err
	}
	force := false
	if value := in.body.get("force"); value != nil {
		var ok bool
		if force, ok = boolOf(value); !ok {
			in.invalid("", "force must be a boolean.")
		}
	}
	if err := in.unread[""]; err != nil {
		return err
	}
	if _, err := c.vault().ArchiveCredential(c.ctx(), c.caller, c.param("id"), vault.ArchiveOptions{Force: force}); err != nil {
		return err
	}
	result := "dry-run success"
	if force {
		result = "success"
	}
	return c.send(0, func(b []byte) []byte {
		b = append(b, `{"result":`...)
		return append(appendString(b, result), '}')
	})
}
