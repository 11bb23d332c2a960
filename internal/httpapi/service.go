package httpapi

import (
	"github.com/confidant-secrets/confidant/internal/revision"
	"github.com/confidant-secrets/confidant/internal/vault"
)

func listCurrentServices(c *call) error {
	page, err := c.currentPage(listServices)
	if err != nil {
		return err
	}
	slice, err := c.vault().ListServices(c.ctx(), c.caller, page)
	if err != nil {
		return err
	}
	return c.sendServices("services", slice, page.Limit == 0)
}

func listHistoricServices(c *call) error {
	page, err := c.historyPage(listServiceHistory)
	if err != nil {
		return err
	}
	slice, err := c.vault().ServiceHistory(c.ctx(), c.caller, page)
	if err != nil {
		return err
	}
	return c.sendServices("services", slice, false)
}

// sendServices is sendCredentials for services, whose name is their id.
func (c *call) sendServices(member string, slice revision.Slice[vault.ServiceView], oldestFirst bool) error {
	items := slice.Items
	order := sorted(len(items), oldestFirst, func(i int) string {
		if items[i].Historic {
			return revision.Key(items[i].Row.ID, items[i].Row.Revision)
		}
		return items[i].Row.ID
	})
	return c.sendList(member, len(items), slice.Next, func(b []byte, i int) []byte {
		return appendService(b, &items[order[i]])
	})
}

func listServiceRevisions(c *call) error {
	items, err := c.vault().ServiceRevisions(c.ctx(), c.caller, c.param("id"))
	if err != nil {
		return err
	}
	return c.sendList("revisions", len(items), nil, func(b []byte, i int) []byte {
		return appendService(b, &items[i])
	})
}

// getService is the machines' route: nearly all traffic goes here.
func getService(c *call) error {
	view, err := c.vault().GetService(c.ctx(), c.caller, c.param("id"), c.metadataOnly())
	if err != nil {
		return err
	}
	if !view.Historic {
		c.setETag(view.Row.Revision)
	}
	return c.sendService(view)
}

func putService(c *call) error {
	in, ifRevision, err := c.input()
	if err != nil {
		return err
	}
	view, err := c.vault().PutService(c.ctx(), c.caller, c.param("id"), in.serviceChange(ifRevision))
	if err != nil {
		return err
	}
	return c.sendService(view)
}

func revertService(c *call) error {
	ifRevision, err := c.revertInput()
	if err != nil {
		return err
	}
	view, err := c.vault().RevertService(c.ctx(), c.caller, c.param("id"), c.revision("to_revision"), ifRevision)
	if err != nil {
		return err
	}
	return c.sendService(view)
}

func (c *call) sendService(view vault.ServiceView) error {
	size := 0
	for i := range view.Credentials {
		size += sizeOfCredential(&view.Credentials[i])
	}
	return c.send(size, func(b []byte) []byte { return appendService(b, &view) })
}

func diffService(c *call) error {
	diff, err := c.vault().DiffService(c.ctx(), c.caller, c.param("id"), c.revision("old_revision"), c.revision("new_revision"))
	if err != nil {
		return err
	}
	return c.sendValue(diff)
}
