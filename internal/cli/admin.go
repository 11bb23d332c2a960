package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
)

const forAccounts = config.ForData | config.ForStore | config.ForAudit | config.ForVault

func newAdmin(c *console) *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "admin",
		Short: "Local administrators",
		Long: `Local administrators are for a start without an identity provider and for
emergencies. API tokens of the role admin act as one of them.`,
		Example: `  confidant admin add alice --email alice@example.com
  confidant admin list`,
	})
	cmd.AddCommand(newAdminAdd(c), newAdminList(c), newAdminChange(c), newAdminDelete(c))
	return cmd
}

// accountDocument is an account in results.
type accountDocument struct {
	Name        string `json:"name"`
	Email       string `json:"email"`
	Enabled     bool   `json:"enabled"`
	HasPassword bool   `json:"has_password"`
	TOTP        bool   `json:"totp"`
	Recovery    int    `json:"recovery_codes"` // that are left
	Created     string `json:"created"`
	Modified    string `json:"modified"`
}

func documentOf(a account.Account) accountDocument {
	return accountDocument{
		a.Name, a.Email, a.Enabled, a.HasPassword, a.TOTP, a.RecoveryCodes, when(a.Created), when(a.Modified),
	}
}

func newAdminAdd(c *console) *cobra.Command {
	password := secretFlag{name: "password", what: "password"}
	var email string
	var none bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add an administrator",
		Long: `Add an administrator. Without a password flag it asks for one twice. An account
that exists is left alone (exit 1).`,
		Example: `  confidant admin add alice
  confidant admin add robot --no-password
  confidant admin add alice --password-file - < password`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := account.NewAccount{Name: args[0], Email: email}
			if none && password.given() {
				return usage("--no-password and a password exclude each other")
			}
			o := shared(forAccounts)
			o.create = true // the first administrator may come before the first start
			return c.open(cmd.Context(), o, func(ctx context.Context, a *app.App) error {
				if !none {
					text, err := password.readNew(ctx, c)
					if err != nil {
						return err
					}
					secret := account.Secret(text)
					in.Password = &secret
				}
				added, err := a.Accounts.Add(ctx, a.Operator, in)
				if err != nil {
					return err
				}
				if err := a.Accounts.Settled(ctx); err != nil {
					return err
				}
				return c.print(documentOf(added), say("Admin %s was registered successfully.", added.Name))
			})
		},
	}
	cmd.Flags().StringVarP(&email, "email", "e", "", "e-mail address")
	cmd.Flags().BoolVar(&none, "no-password", false, "an account for API tokens alone")
	password.add(cmd, "p")
	return cmd
}

func newAdminList(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List administrators",
		Long: `List administrators, with whether a log-in asks for a one-time code (TOTP). The
JSON form tells how many recovery codes are left.`,
		Example: "  confidant admin list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.open(cmd.Context(), shared(forAccounts), func(ctx context.Context, a *app.App) error {
				list, err := a.Accounts.List(ctx, a.Operator)
				if err != nil {
					return err
				}
				documents := make([]accountDocument, len(list))
				rows := make([][]string, len(list))
				for i, entry := range list {
					documents[i] = documentOf(entry)
					rows[i] = []string{entry.Name, entry.Email, yesNo(entry.Enabled), yesNo(entry.TOTP), when(entry.Created)}
				}
				return c.print(documents, func(w io.Writer) { table(w, "Name  Email  Enabled  TOTP  Created", rows) })
			})
		},
	}
}

func yesNo(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}

func newAdminChange(c *console) *cobra.Command {
	password := secretFlag{name: "password", what: "password"}
	var email string
	var enable, disable, prompt, totp, noTOTP bool
	cmd := &cobra.Command{
		Use:   "change NAME",
		Short: "Change an administrator",
		Long: `Change an administrator. A new password, and disabling, end the account's sessions
and refuse its API tokens made before. --set-password, or -p without a value, asks
for the new password.

--totp has every log-in ask for a one-time code too. It prints what an authenticator
app needs, as an address and on a terminal as a QR code, and recovery codes, each of
which replaces one code if the app is lost; none of it can be shown again. Then it
reads a code of the app, from the terminal or as a line of standard input, and only a
right one makes the change. With --json the document comes before that line is read.
Sessions go on. --no-totp removes all of this and ends the account's sessions.`,
		Example: `  confidant admin change alice --set-password
  confidant admin change alice --email alice@example.com
  confidant admin change alice --disable
  confidant admin change alice --totp`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case prompt && password.given():
				return usage("--set-password and a password exclude each other")
			case enable && disable:
				return usage("--enable and --disable exclude each other")
			}
			in := account.Change{NoTOTP: noTOTP}
			if cmd.Flags().Changed("email") {
				in.Email = &email
			}
			if enable || disable {
				in.Enabled = &enable
			}
			others := in != (account.Change{}) || prompt || password.given()
			switch {
			case totp && others:
				return usage("--totp goes with no other change")
			case totp:
				return c.enrolTOTP(cmd.Context(), args[0])
			case !others:
				return usage("nothing is to be changed; see --help")
			}
			return c.open(cmd.Context(), shared(forAccounts), func(ctx context.Context, a *app.App) error {
				if prompt || password.given() {
					text, err := password.readNew(ctx, c)
					if err != nil {
						return err
					}
					secret := account.Secret(text)
					in.Password = &secret
				}
				changed, err := a.Accounts.Change(ctx, a.Operator, args[0], in)
				if err != nil {
					return err
				}
				if err := a.Accounts.Settled(ctx); err != nil {
					return err
				}
				return c.print(documentOf(changed), say("Admin %s was changed.", changed.Name))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&email, "email", "e", "", "e-mail address; empty removes it")
	flags.BoolVar(&enable, "enable", false, "let the account be used")
	flags.BoolVar(&disable, "disable", false, "let nobody use the account")
	flags.BoolVar(&prompt, "set-password", false, "ask for a new password")
	flags.BoolVar(&totp, "totp", false, "have log-ins ask for a one-time code")
	flags.BoolVar(&noTOTP, "no-totp", false, "have log-ins ask for no one-time code")
	password.add(cmd, "p")
	return cmd
}

func newAdminDelete(c *console) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "delete NAME",
		Short:   "Delete an administrator",
		Long:    `Delete an administrator, end the account's sessions and refuse its API tokens.`,
		Example: "  confidant admin delete alice",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.open(cmd.Context(), shared(forAccounts), func(ctx context.Context, a *app.App) error {
				if err := a.Accounts.Delete(ctx, a.Operator, args[0], force); err != nil {
					return err
				}
				if err := a.Accounts.Settled(ctx); err != nil {
					return err
				}
				return c.print(struct {
					Deleted string `json:"deleted"`
				}{args[0]}, say("Deleting admin %s", args[0]))
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete the last enabled account too")
	return cmd
}
