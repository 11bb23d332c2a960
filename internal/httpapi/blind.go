package httpapi

import (
	"slices"

	"github.com/confidant-secrets/confidant/internal/vault"
)

func listCurrentBlind(c *call) error {
	page, err := c.currentPage(listBlind)
	if err != nil {
		return err
	}
	slice, err := c.vault().ListBlindCredentials(c.ctx(), c.caller, page)
	if err != nil {
		return err
	}
	items := slice.Items
	if page.Limit == 0 {
		items = slices.Clone(items)
		slices.Reverse(items) // oldest change first where everything was asked for
	}
	return c.sendList("blind_credentials", len(items), slice.Next, func(b []byte, i int) []byte {
		return appendBlindItem(b, &items[i])
	})
}

func listHistoricBlind(c *call) error {
	page, err := c.historyPage(listBlindHistory)
	if err != nil {
		return err
	}
	slice, err := c.vault().BlindHistory(c.ctx(), c.caller, page)
	if err != nil {
		return err
	}
	return c.sendList("blind_credentials", len(slice.Items), slice.Next, func(b []byte, i int) []byte {
		return appendBlind(b, &slice.Items[i])
	})
}

func listBlindRevisions(c *call) error {
	items, err := c.vault().BlindRevisions(c.ctx(), c.caller, c.param("id"))
	if err != nil {
		return err
	}
	return c.sendList("revisions", len(items), nil, func(b []byte, i int) []byte {
		return appendBlind(b, &items[i])
	})
}

func getBlind(c *call) error {
	view, err := c.vault().GetBlindCredential(c.ctx(), c.caller, c.param("id"))
	if err != nil {
		return err
	}
	if !view.Historic {
		c.setETag(view.Row.Revision)
	}
	return c.sendBlind(view)
}

func createBlind(c *call) error {
	in, _, err := c.input()
	if err != nil {
		return err
	}
	view, err := c.vault().CreateBlindCredential(c.ctx(), c.caller, in.newBlind())
	if err != nil {
		return err
	}
	return c.sendBlind(view)
}

func updateBlind(c *call) error {
	in, ifRevision, err := c.input()
	if err != nil {
		return err
	}
	view, err := c.vault().UpdateBlindCredential(c.ctx(), c.caller, c.param("id"), in.blindChange(ifRevision))
	if err != nil {
		return err
	}
	return c.sendBlind(view)
}

func revertBlind(c *call) error {
	ifRevision, err := c.revertInput()
	if err != nil {
		return err
	}
	view, err := c.vault().RevertBlindCredential(c.ctx(), c.caller, c.param("id"), c.revision("to_revision"), ifRevision)
	if err != nil {
		return err
	}
	return c.sendBlind(view)
}

func (c *call) sendBlind(view vault.BlindView) error {
	return c.send(0, func(b []byte) []byte { return appendBlind(b, &view) })
}

func listBlindDependents(c *call) error {
	services, err := c.vault().BlindDependents(c.ctx(), c.caller, c.param("id"))
	if err != nil {
		return err
	}
	return c.send(0, func(b []byte) []byte { return appendDependents(b, services) })
}
