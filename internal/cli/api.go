package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/account"
	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
)

// withTokens opens what API tokens need.
func withTokens() opening {
	o := shared(forAccounts | config.ForTokens | config.ForKeys)
	o.key = true
	return o
}

func newAPI(c *console) *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "api",
		Short: "API tokens",
		Long: `API tokens are presented as "Authorization: Bearer <token>" or "x-api-key: <token>".
They are not stored: one that is lost can only be refused, by revoke-before.`,
		Example: `  confidant api create-token --role service --username web-production
  confidant api revoke-before --username web-production`,
	})
	cmd.AddCommand(newCreateToken(c), newCheckToken(c), newRevokeBefore(c))
	return cmd
}

// tokenDocument is a new token in results.
type tokenDocument struct {
	Username string `json:"username"`
	Realm    string `json:"realm"`
	Role     string `json:"role"`
	Days     int    `json:"days"`
	Account  string `json:"account,omitempty"`
	Expires  string `json:"expires"`
	Token    string `json:"token"`
}

func newCreateToken(c *console) *cobra.Command {
	in := account.NewToken{}
	var role string
	cmd := &cobra.Command{
		Use:     "create-token",
		Aliases: []string{"create_token", "createtoken"},
		Short:   "Make an API token",
		Long: `Make an API token. Roles:

- admin: acts as the administrator of that name (see "confidant admin add")
- service: acts as the service of that name: reads it and its credentials
- read: lists and metadata as the administrator of that name, never values
- cleanup: the clean-up routes

"validate" is another word for service.`,
		Example: `  confidant api create-token --username alice
  confidant api create-token --role service --username web-production --days 90`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if in.Role, err = account.ParseRole(role); err != nil {
				return err
			}
			return c.open(cmd.Context(), withTokens(), func(ctx context.Context, a *app.App) error {
				made, err := a.Accounts.CreateToken(ctx, a.Operator, in)
				if err != nil {
					return err
				}
				if made.AccountMissing {
					c.note("The token works only with an account of its name. Create it with: confidant admin add %s", made.Username)
				}
				return c.print(tokenDocument{
					made.Username, made.Realm, string(made.Role), made.Days, made.Account, when(made.Expires), string(made.Text),
				}, func(w io.Writer) {
					lines := [][2]string{
						{"Username", made.Username},
						{"Realm", made.Realm},
						{"Role", string(made.Role)},
						{"Account", made.Account},
						{"Validity", fmt.Sprintf("%d days", made.Days)},
						{"Expires", when(made.Expires)},
						{"Auth-Token", string(made.Text)},
					}
					for _, line := range lines {
						if line[1] != "" {
							fmt.Fprintf(w, "%-11s %s\n", line[0]+":", line[1])
						}
					}
				})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&role, "role", "r", string(account.RoleAdmin), "admin, service, read or cleanup")
	flags.StringVarP(&in.Username, "username", "u", "", "whom the token stands for (default: a generated name)")
	flags.StringVarP(&in.Realm, "realm", "R", account.DefaultRealm, "a label")
	flags.IntVarP(&in.Days, "days", "d", account.DefaultTokenDays, "days the token is good for, 1 to 3650")
	flags.StringVar(&in.Account, "account", "", "for services: the account that the token is scoped to")
	return cmd
}

// checkDocument is a token's claims and verdict in results.
type checkDocument struct {
	Accepted  bool   `json:"accepted"`
	Reason    string `json:"reason,omitempty"`
	ID        string `json:"jti,omitempty"`
	Username  string `json:"username,omitempty"`
	Realm     string `json:"realm,omitempty"`
	Role      string `json:"role,omitempty"`
	Account   string `json:"account,omitempty"`
	Issued    string `json:"issued,omitempty"`
	NotBefore string `json:"not_before,omitempty"`
	Expires   string `json:"expires,omitempty"`
}

func newCheckToken(c *console) *cobra.Command {
	return &cobra.Command{
		Use:     "check-token",
		Aliases: underscored("check-token"),
		Short:   "Tell what a token says and whether it is accepted",
		Long:    `Read a token from standard input and tell what it says and whether it is accepted; exit 1 if it is not.`,
		Example: "  confidant api check-token < token",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := c.readFile(cmd.Context(), "-")
			if err != nil {
				return err
			}
			return c.open(cmd.Context(), withTokens(), func(ctx context.Context, a *app.App) error {
				checked, err := a.Accounts.CheckToken(ctx, a.Operator, account.Secret(text))
				if err != nil {
					return err
				}
				accepted := checked.Refused == ""
				err = c.print(checkDocument{
					accepted, checked.Refused, checked.ID, checked.Username, checked.Realm, string(checked.Role), checked.Account,
					when(checked.Issued), when(checked.NotBefore), when(checked.Expires),
				}, func(w io.Writer) {
					if checked.ID != "" {
						fmt.Fprintf(w, "Username: %s\nRealm:    %s\nRole:     %s\nIssued:   %s\nExpires:  %s\n",
							checked.Username, checked.Realm, checked.Role, when(checked.Issued), when(checked.Expires))
					}
					if accepted {
						fmt.Fprintln(w, "accepted")
					} else {
						fmt.Fprintln(w, "refused: "+checked.Refused)
					}
				})
				if err == nil && !accepted {
					err = errFound
				}
				return err
			})
		},
	}
}

func newRevokeBefore(c *console) *cobra.Command {
	var username, role string
	cmd := &cobra.Command{
		Use:     "revoke-before [TIME]",
		Aliases: underscored("revoke-before"),
		Short:   "Refuse API tokens made before a moment",
		Long: `Refuse API tokens made before a moment, now if none is given: those of a name, of a
role, or all of them. The command returns when every server beside it refuses them
and a token made next is good.`,
		Example: `  confidant api revoke-before --username web-production
  confidant api revoke-before 2026-01-31T12:00:00Z --role service`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := account.Revocation{Username: username}
			if role != "" {
				r, err := account.ParseRole(role)
				if err != nil {
					return err
				}
				in.Role = r
			}
			if len(args) == 1 {
				at, err := time.Parse(time.RFC3339, args[0])
				if err != nil {
					return usage("%q is no moment such as 2026-01-31T12:00:00Z", args[0])
				}
				in.Before = at
			}
			return c.open(cmd.Context(), shared(forAccounts), func(ctx context.Context, a *app.App) error {
				r, err := a.Accounts.RevokeBefore(ctx, a.Operator, in)
				if err != nil {
					return err
				}
				if err := a.Accounts.Settled(ctx); err != nil {
					return err
				}
				return c.print(struct {
					Before   string `json:"before"`
					Username string `json:"username,omitempty"`
					Role     string `json:"role,omitempty"`
				}{when(r.Before), r.Username, string(r.Role)}, say("API tokens made before %s are refused.", when(r.Before)))
			})
		},
	}
	cmd.Flags().StringVarP(&username, "username", "u", "", "those of this name")
	cmd.Flags().StringVarP(&role, "role", "r", "", "those of this role")
	return cmd
}
