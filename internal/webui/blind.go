package webui

import (
	"fmt"
	"html/template"
	"net/http"
	"slices"

	"github.com/confidant-secrets/confidant/internal/blind"
)

// blindPage shows a blind credential, of which nobody here can read a value.
type blindPage struct {
	frame
	ID, Name, Link string
	Enabled        bool
	Revision       int
	By             string
	Changed        *moment
	Sealed         sealedWords
	Services       []serviceWords
	Documentation  template.HTML
	Metadata       []fieldChange
	MayEdit        bool
}

// sealedWords is what may be told of what a client sealed.
type sealedWords struct {
	Keys           []string // ascending; none: it was not told which
	Cipher         string
	Regions        []string // for which it is sealed
	DataKeyRegions []string // if they are others
}

// wordsOfSealed puts what a client sealed into words, but for what is sealed.
func wordsOfSealed(row *blind.Credential) sealedWords {
	words := sealedWords{Keys: row.KeyNames, Cipher: cipherWords(row), Regions: regionsOf(row.Pairs)}
	if keys := regionsOf(row.DataKey); !slices.Equal(keys, words.Regions) {
		words.DataKeyRegions = keys
	}
	return words
}

// showBlind shows a blind credential.
func showBlind(v *visit) error {
	detail, err := v.vault().ShowBlindCredential(v.r.Context(), v.Caller, v.param("id"))
	if err != nil {
		return err
	}
	row := detail.Row
	page := blindPage{
		frame: v.framed(row.Name, "resources"), ID: row.ID, Name: row.Name, Link: blindLink(row.ID),
		Enabled: row.Enabled, Revision: row.Revision, By: row.ModifiedBy, Changed: v.at(row.ModifiedDate),
		Sealed: wordsOfSealed(row), Services: receivers(detail.Dependents),
		MayEdit: detail.Permissions["update"] && !v.s.readOnly(),
	}
	if page.Documentation, err = prose(textOf(row.Documentation)); err != nil {
		return fmt.Errorf("rendering documentation: %w", err)
	}
	for _, m := range beginMetadata(row.Metadata).rows {
		page.Metadata = append(page.Metadata, fieldChange{Name: m.key, After: m.value})
	}
	return v.render(http.StatusOK, "blind", page)
}
