package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/confidant-secrets/confidant/internal/app"
	"github.com/confidant-secrets/confidant/internal/config"
)

// tablesNote tells what both commands do in DynamoDB.
const tablesNote = `The main table and, where DYNAMODB_TABLE_ARCHIVE names one, the archive table are
made if they are missing, with their index and paid per request; it takes up to five
minutes until they can be used, and beyond that the command ends with exit 4. Of
tables that exist the key and the index are checked, and nothing is changed: exit 1
if they do not fit.`

func newCreateTables(c *console) *cobra.Command {
	provisioned := ""
	cmd := &cobra.Command{
		Use:     "create-tables",
		Aliases: underscored("create-tables"),
		Short:   "Make the database, or bring it to this version's form",
		Long: `Make the database if there is none. One of an older form is brought to this
version's, after a snapshot beside it. The server does the same when it starts.

With DYNAMODB_TABLE this is "create-dynamodb-tables". ` + tablesNote,
		Example: "  confidant setup create-tables",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.createTables(cmd, provisioned, nil) },
	}
	addProvisioned(cmd, &provisioned)
	return cmd
}

func newCreateDynamoTables(c *console) *cobra.Command {
	provisioned := ""
	cmd := &cobra.Command{
		Use:     "create-dynamodb-tables",
		Aliases: underscored("create-dynamodb-tables"),
		Short:   "Make the tables in DynamoDB, or check them",
		Long: tablesNote + `

The server does the same when it starts with DYNAMODB_CREATE_TABLE=true. Without
DYNAMODB_TABLE there is nothing to make (exit 3); "setup create-tables" makes a
database in SQLite.`,
		Example: "  confidant create-dynamodb-tables\n  confidant create-dynamodb-tables --provisioned 10,10",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.createTables(cmd, provisioned, app.CheckTable) },
	}
	addProvisioned(cmd, &provisioned)
	return cmd
}

func addProvisioned(cmd *cobra.Command, text *string) {
	cmd.Flags().StringVar(text, "provisioned", "", "read and write units of a table and of its index, for example 10,10 (default: paid per request)")
}

// createTables makes tables where check, if not nil, finds nothing wrong with the
// settings.
func (c *console) createTables(cmd *cobra.Command, provisioned string, check func(*config.Config) error) error {
	var capacity app.Capacity
	if cmd.Flags().Changed("provisioned") {
		var err error
		if capacity, err = readCapacity(provisioned); err != nil {
			return err
		}
	}
	if check != nil {
		if err := c.checked(config.ForData|config.ForStore|config.ForAudit, check); err != nil {
			return err
		}
	}
	o := shared(config.ForData | config.ForAudit)
	o.late, o.create = config.ForStore, true
	return c.open(cmd.Context(), o, func(ctx context.Context, a *app.App) error {
		tables, err := a.CreateTables(ctx, capacity)
		if err != nil {
			for _, name := range tables.Made {
				c.note("The table %s was made.", name)
			}
			return err
		}
		return c.print(struct {
			Database string   `json:"database"`
			Made     []string `json:"made"`
		}{tables.Place, tables.Made}, func(w io.Writer) {
			for _, name := range tables.Made {
				fmt.Fprintf(w, "The table %s was made.\n", name)
			}
			fmt.Fprintf(w, "The database %s is ready.\n", tables.Place)
		})
	})
}

// readCapacity reads "read units,write units".
func readCapacity(text string) (app.Capacity, error) {
	read, write, _ := strings.Cut(text, ",")
	r, err := strconv.ParseInt(strings.TrimSpace(read), 10, 32)
	w, other := strconv.ParseInt(strings.TrimSpace(write), 10, 32)
	if err != nil || other != nil || r < 1 || w < 1 {
		return app.Capacity{}, usage("--provisioned is read units and write units above 0, for example 10,10")
	}
	return app.Capacity{Read: r, Write: w}, nil
}
