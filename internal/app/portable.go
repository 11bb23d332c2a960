package app

import (
	"context"
	"slices"
	"strings"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/policy"
	"github.com/confidant-secrets/confidant/internal/portable"
)

// PortableTypes are the types of entries that an export may hold.
type PortableTypes struct{ Admin, Policy bool }

// Export is the document of an export; a type that was not asked for is nil.
type Export struct {
	Version string              `json:"confidant_version" yaml:"confidant_version"`
	Admin   *[]account.Portable `json:"admin,omitempty" yaml:"admin,omitempty"`
	Policy  *[]policy.Portable  `json:"policy,omitempty" yaml:"policy,omitempty"`
}

// Export returns what is stored of some types, by name. NotFound: one of the names
// asked for belongs to nothing.
func (a *App) Export(ctx context.Context, version string, types PortableTypes, o account.ExportOptions) (Export, error) {
	e := Export{Version: version}
	var found []string // names of accounts are the same whatever their case
	if types.Admin {
		list, err := a.Accounts.Export(ctx, a.Operator, o)
		if err != nil {
			return e, err
		}
		e.Admin = &list
		for _, entry := range list {
			found = append(found, strings.ToLower(entry.Name))
		}
	}
	if types.Policy {
		list, err := a.Policies.Export(ctx, a.Operator, o.Names...)
		if err != nil {
			return e, err
		}
		e.Policy = &list
		for _, entry := range list {
			found = append(found, entry.Name)
		}
	}
	for _, name := range o.Names {
		if !slices.Contains(found, name) && !slices.Contains(found, strings.ToLower(name)) {
			return e, fault.Newf(fault.NotFound, "There is nothing of the name %q.", name).About(name)
		}
	}
	return e, nil
}

// Imported says what an import did, or would do; a type that was not asked for is
// nil.
type Imported struct {
	Admin, Policy *portable.Report
	// Of an import that was cut short: how many accounts it wrote or removed, and
	// whether the policies are in.
	Accounts int
	Policies bool
}

// Import puts the entries of an export in place of those with their names. Types
// that do not stand in it are left alone. Everything is judged before the first
// write; then the policies are written at once and accounts one by one, so that an
// import that was cut short is finished by making it again.
func (a *App) Import(ctx context.Context, d portable.Document, types PortableTypes, o account.ImportOptions) (out Imported, err error) {
	var accounts *account.Import
	if types.Admin {
		out.Admin = &portable.Report{}
		if d.Admin != nil {
			if accounts, err = a.Accounts.PlanImport(ctx, a.Operator, d.Admin, o); err != nil {
				return out, err
			}
			out.Admin = &accounts.Report
		}
	}
	if types.Policy {
		out.Policy = &portable.Report{}
		if d.Policy != nil {
			r, err := a.Policies.Import(ctx, a.Operator, d.Policy, o.Options)
			if err != nil {
				return out, err
			}
			out.Policy, out.Policies = &r, r.Moved() > 0 && !o.DryRun
		}
	}
	if accounts != nil && !o.DryRun {
		out.Accounts, err = accounts.Commit(ctx)
	}
	return out, err
}
