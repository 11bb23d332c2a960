package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/authz"
	"github.com/confidant-secrets/confidant/internal/fault"
	"github.com/confidant-secrets/confidant/internal/policy"
)

func newPolicy(c *console) *cobra.Command {
	cmd := asGroup(&cobra.Command{
		Use:   "policy",
		Short: "Who may do what",
		Long: `Policies are written in Cedar (cedarpolicy.com) and say who may do what. Any forbid
denies; else any permit allows; else it is denied. Policies whose names begin with
default- come with the program: they can be disabled, not changed or deleted. A
server beside the command knows of a change when the command returns.`,
		Example: `  confidant config policy list
  confidant config policy create payments --file payments.cedar
  confidant config policy explain --user ada@example.com get credential 5f2c`,
	})
	cmd.AddCommand(newPolicyList(c), newPolicyShow(c), newPolicyCreate(c),
		newPolicySwitch(c, true), newPolicySwitch(c, false), newPolicyDelete(c),
		newPolicyExplain(c), newPolicyTest(c))
	return cmd
}

// policies is what commands about policies open: they work although a stored one
// does not hold, so that it can be mended.
func policies(create bool) opening {
	o := shared(forAccounts)
	o.create, o.mend = create, true
	return o
}

// settled waits until a server beside the command has noticed a change.
func (c *console) settled(ctx context.Context, a *app.App) error {
	err := a.Accounts.Settled(ctx)
	if err != nil {
		c.note("The change is made; servers notice it within seconds.")
	}
	return err
}

func newPolicyList(c *console) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List policies",
		Long:    `List policies by name, those that come with the program among them.`,
		Example: "  confidant config policy list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.open(cmd.Context(), policies(false), func(ctx context.Context, a *app.App) error {
				list, err := a.Policies.List(ctx, a.Operator)
				if err != nil {
					return err
				}
				rows := make([][]string, len(list))
				for i, e := range list {
					rows[i] = []string{yesNo(e.Active), e.Name, strings.Join(authz.Effects(e.Cedar), ", "), oneLine(e.Description)}
				}
				return c.print(list, func(w io.Writer) { table(w, "Active  Name  Effect  Description", rows) })
			})
		},
	}
}

// oneLine is a text as a table shows it.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func newPolicyShow(c *console) *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "Print the text of a policy",
		Long:    `Print the Cedar text of a policy as it was given, or with --json the whole entry.`,
		Example: "  confidant config policy show default-users",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.open(cmd.Context(), policies(false), func(ctx context.Context, a *app.App) error {
				e, err := a.Policies.Get(ctx, a.Operator, args[0])
				if err != nil {
					return err
				}
				return c.print(e, func(w io.Writer) { fmt.Fprintln(w, strings.TrimSuffix(e.Cedar, "\n")) })
			})
		},
	}
}

func newPolicyCreate(c *console) *cobra.Command {
	var file, description string
	var replace, inactive bool
	cmd := &cobra.Command{
		Use:   "create NAME [SCOPE ACTION]",
		Short: "Make a policy",
		Long: `Make a policy: from SCOPE, a type of resource or * for all, and ACTION, actions
joined by commas or * for all; or from a file. The file holds Cedar text, or the
simple form, a JSON or YAML object with the members name, active, description, effect
(allow, deny), scope, action, usertype (user, service), user and resource (patterns
with *), client (networks, "!" before one excludes it) and time ("Mon-Fri: 9-18",
UTC). Members of the file win over arguments.

The text is checked against what policies may look at; a mistake is named with line
and column, and nothing is stored then. A policy of that name is left alone (exit 1),
unless --replace is given.`,
		Example: `  confidant config policy create everybody-lists credential list,metadata
  confidant config policy create office --file office.cedar --description "Office network only"
  confidant config policy create night --file night.yaml --inactive`,
		Args: cobra.RangeArgs(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return usage("SCOPE goes with ACTION")
			}
			e, err := c.readPolicy(cmd.Context(), file, args)
			if err != nil {
				return err
			}
			e.Active = e.Active && !inactive
			if description != "" {
				e.Description = description
			}
			return c.open(cmd.Context(), policies(true), func(ctx context.Context, a *app.App) error {
				changed, err := a.Policies.Create(ctx, a.Operator, e, replace)
				if err != nil {
					return err
				}
				return c.tellPolicy(ctx, a, e.Name, "created", changed)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&file, "file", "f", "", "file with the policy; - is standard input")
	flags.StringVar(&description, "description", "", "what the policy is for")
	flags.BoolVar(&replace, "replace", false, "put it in place of one of that name")
	flags.BoolVar(&inactive, "inactive", false, "store it disabled")
	return cmd
}

// tellPolicy ends a command that changed a policy.
func (c *console) tellPolicy(ctx context.Context, a *app.App, name, done string, changed bool) error {
	human := say("Successfully %s policy '%s'", done, name)
	if changed {
		if err := c.settled(ctx, a); err != nil {
			return err
		}
	} else {
		done, human = "unchanged", say("Policy '%s' is unchanged", name)
	}
	return c.print(struct {
		Name   string `json:"name"`
		Result string `json:"result"`
	}{name, done}, human)
}

// readPolicy makes a policy of the arguments NAME, SCOPE and ACTION and of a file.
func (c *console) readPolicy(ctx context.Context, file string, args []string) (authz.Entry, error) {
	simple := policy.Simple{Name: args[0]}
	if len(args) == 3 {
		simple.Scope = args[1]
		for action := range strings.SplitSeq(args[2], ",") {
			simple.Action = append(simple.Action, strings.TrimSpace(action))
		}
	}
	if file == "" {
		if len(args) == 1 {
			return authz.Entry{}, usage("give SCOPE and ACTION, or --file")
		}
		return simple.Entry()
	}
	text, err := c.readInput(ctx, file)
	if err != nil {
		return authz.Entry{}, err
	}
	if isCedar(file, text) {
		if len(args) == 3 {
			return authz.Entry{}, usage("the file holds Cedar: SCOPE and ACTION do not go with it")
		}
		return authz.Entry{Name: args[0], Active: true, Cedar: string(text)}, nil
	}
	if err := simple.Read(text); err != nil {
		return authz.Entry{}, err
	}
	if simple.Name != args[0] {
		c.warn("the file names the policy %q, not %q; the file's name is taken", simple.Name, args[0])
	}
	if simple.Priority != nil {
		c.warn("the priority decides nothing and is dropped: any deny wins")
	}
	return simple.Entry()
}

// cedarForm matches what a Cedar text begins with, comments left out.
var cedarForm = regexp.MustCompile(`^(?:\s|//[^\n]*\n)*(?:permit|forbid|@)`)

// simpleForm matches what the simple form does: an object in JSON, or the first
// member of one in YAML.
var simpleForm = regexp.MustCompile(`^(?:\s|#[^\n]*\n|---[^\n]*\n)*(?:\{|"?[a-z]+"?\s*:(?:\s|$))`)

// isCedar tells Cedar text from the simple form, by the name of the file or else
// by what it begins with. What is neither is taken for Cedar with a mistake.
func isCedar(file string, text []byte) bool {
	switch filepath.Ext(file) {
	case ".cedar":
		return true
	case ".json", ".yaml", ".yml":
		return false
	}
	return cedarForm.Match(text) || !simpleForm.Match(text)
}

// maxInput bounds what is read from a file of policies, in bytes.
const maxInput = 64 << 20

// readInput reads a file, or with "-" standard input.
func (c *console) readInput(ctx context.Context, path string) ([]byte, error) {
	source := c.in
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		source = file
	}
	text, err := await(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(source, maxInput+1)) })
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(text) > maxInput {
		return nil, usage("%s is too large", path)
	}
	return text, nil
}

func newPolicySwitch(c *console, active bool) *cobra.Command {
	name, does := "disable", "A disabled policy is kept, but no longer applies."
	if active {
		name, does = "enable", "A policy that does not hold is not enabled."
	}
	return &cobra.Command{
		Use:     name + " NAME",
		Short:   strings.ToUpper(name[:1]) + name[1:] + " a policy",
		Long:    strings.ToUpper(name[:1]) + name[1:] + " a policy. " + does,
		Example: "  confidant config policy " + name + " office",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.open(cmd.Context(), policies(false), func(ctx context.Context, a *app.App) error {
				changed, err := a.Policies.SetActive(ctx, a.Operator, args[0], active)
				if err != nil {
					return err
				}
				return c.tellPolicy(ctx, a, args[0], name+"d", changed)
			})
		},
	}
}

func newPolicyDelete(c *console) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a policy",
		Long: `Delete a policy, once a question on the terminal is answered with yes; --yes answers
it. Policies that come with the program can be disabled instead.`,
		Example: "  confidant config policy delete office --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.open(cmd.Context(), policies(false), func(ctx context.Context, a *app.App) error {
				if err := c.confirmed(ctx, yes, "Delete policy '"+args[0]+"'?"); err != nil {
					return err
				}
				if err := a.Policies.Delete(ctx, a.Operator, args[0]); err != nil {
					return err
				}
				return c.tellPolicy(ctx, a, args[0], "deleted", true)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// confirmed returns nil if yes was given or somebody on the terminal says so.
func (c *console) confirmed(ctx context.Context, yes bool, question string) error {
	switch {
	case yes:
		return nil
	case c.terminal() == nil:
		return usage("there is no terminal to ask on; give --yes")
	}
	fmt.Fprint(c.err, question+" [y/N] ")
	text, err := await(ctx, func() ([]byte, error) { return bufio.NewReader(c.terminal()).ReadBytes('\n') })
	if err != nil {
		return fmt.Errorf("reading from the terminal: %w", err)
	}
	if answer := strings.ToLower(strings.TrimSpace(string(text))); answer != "y" && answer != "yes" {
		return fault.New(fault.Denied, "Nothing was changed.")
	}
	return nil
}

func newPolicyExplain(c *console) *cobra.Command {
	var q policy.Question
	var administrator bool
	var attributes string
	cmd := &cobra.Command{
		Use:   "explain ACTION TYPE [ID]",
		Short: "Tell whether somebody may do something, and by which policy",
		Long: `Tell whether a user or a service may do something, and which policies decide. Exit 0
if it is allowed, 1 if it is denied. The policies see of the resource what is stored,
or what --attributes says. Without ID it is asked as for lists.

Actions are list, get, metadata, create, update, revert and archive. Types are
credential, blind_credential, service, ca, certificate, jwt, policy, account, token,
access_key, audit and cleanup.`,
		Example: `  confidant config policy explain --user ada@example.com get credential 5f2c
  confidant config policy explain --service payments-production get service payments-production
  confidant config policy explain --user ada@example.com --client 192.0.2.7 update credential 5f2c
  confidant config policy explain --user ada@example.com --attributes '{"tags": ["payments"]}' get credential new`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Action, q.Type = authz.Action(args[0]), authz.ResourceType(args[1])
			if len(args) == 3 {
				q.ID = args[2]
			}
			if cmd.Flags().Changed("administrator") {
				q.Administrator = &administrator
			}
			if attributes != "" {
				decoder := json.NewDecoder(strings.NewReader(attributes))
				decoder.DisallowUnknownFields()
				if err := decoder.Decode(&q.Attributes); err != nil {
					return usage("the attributes cannot be read: %w", err)
				}
			}
			return c.open(cmd.Context(), policies(false), func(ctx context.Context, a *app.App) error {
				d, err := a.Policies.Explain(ctx, a.Operator, q)
				if err != nil {
					return err
				}
				err = c.print(decisionDocumentOf(d), say("%s", decided(d)))
				if err == nil && !d.Allowed {
					err = errFound
				}
				return err
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&q.User, "user", "", "name of a user")
	flags.StringVar(&q.Service, "service", "", "name of a service")
	flags.BoolVar(&administrator, "administrator", false, "whether the user is an administrator (default: as the accounts say)")
	flags.StringVar(&q.Method, "method", "", "how they proved who they are, for example api-token")
	flags.StringVar(&q.ProofAccount, "proof-account", "", "account that the proof of a service is scoped to")
	flags.StringVar(&q.Client, "client", "", "address of the client")
	flags.StringVar(&q.Door, "door", "v1", "v1, page, secrets-manager or cleanup")
	flags.StringVar(&q.At, "at", "", "moment, for example 2026-11-24T12:00:00Z (default: now)")
	flags.StringVar(&attributes, "attributes", "", "JSON object of what policies may look at, in place of what is stored")
	return cmd
}

// decisionDocument is a decision in results.
type decisionDocument struct {
	Allowed  bool     `json:"allowed"`
	Policies []string `json:"policies"`
}

func decisionDocumentOf(d authz.Decision) decisionDocument {
	return decisionDocument{d.Allowed, append([]string{}, d.By...)}
}

// decided is a decision in words.
func decided(d authz.Decision) string {
	by := strings.Join(d.By, ", ")
	switch {
	case d.Allowed:
		return "allowed by " + by
	case by == "":
		return "denied: no policy allows it"
	default:
		return "denied by " + by
	}
}

func newPolicyTest(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "test FILE",
		Short: "Hold the policies to a list of expectations",
		Long: `Ask the policies every question of a file and compare the answers with those that
are expected. Exit 1 if one differs. The file is a list, JSON or YAML, of objects with
the members user or service, action, type, expect (allow, deny) and, if they matter,
name, id, by (the policies that should decide), administrator, method, proof_account,
attributes, client, door and at, as for "config policy explain".`,
		Example: `  confidant config policy test expectations.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := c.readInput(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			expectations, err := policy.ReadExpectations(bytes.NewReader(text))
			if err != nil {
				return err
			}
			return c.open(cmd.Context(), policies(false), func(ctx context.Context, a *app.App) error {
				results, err := a.Policies.Test(ctx, a.Operator, expectations)
				if err != nil {
					return err
				}
				return c.tellResults(results)
			})
		},
	}
}

// resultDocument is what became of an expectation in results.
type resultDocument struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Expect string `json:"expect"`
	decisionDocument
}

func (c *console) tellResults(results []policy.Result) error {
	documents := make([]resultDocument, len(results))
	failed := 0
	for i, r := range results {
		documents[i] = resultDocument{nameOf(i, r.Expectation), r.OK(), r.Expectation.Expect, decisionDocumentOf(r.Decision)}
		if !r.OK() {
			failed++
		}
	}
	err := c.print(struct {
		Results []resultDocument `json:"results"`
		Passed  int              `json:"passed"`
		Failed  int              `json:"failed"`
	}{documents, len(results) - failed, failed}, func(w io.Writer) {
		for i, r := range results {
			if !r.OK() {
				fmt.Fprintf(w, "FAILED: %s: %s, expected: %s\n", documents[i].Name, decided(r.Decision), wanted(r.Expectation))
			}
		}
		fmt.Fprintf(w, "%d passed, %d failed.\n", len(results)-failed, failed)
	})
	if err == nil && failed > 0 {
		err = errFound
	}
	return err
}

// nameOf is what an expectation is called in results.
func nameOf(i int, e policy.Expectation) string {
	if e.Name != "" {
		return e.Name
	}
	return strings.TrimSpace(fmt.Sprintf("%d: %s%s %s %s %s", i+1, e.User, e.Service, e.Action, e.Type, e.ID))
}

func wanted(e policy.Expectation) string {
	if len(e.By) == 0 {
		return e.Expect
	}
	return e.Expect + " by " + strings.Join(e.By, ", ")
}
