package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/cagnotte/cagnotte/internal/cashback"
	"github.com/cagnotte/cagnotte/internal/store"
)

type checkCmd struct {
	Data    string `help:"The data folder." default:"./cagnotte-data" placeholder:"DIR"`
	Salvage bool   `help:"Copy what is whole into a new database; the damaged one is kept as cagnotte.db.damaged."`
	JSON    bool   `name:"json" help:"Print the report as JSON."`
}

// Run looks at a data folder that no process has open. Exit status 1 says that
// something is wrong there.
func (c *checkCmd) Run(w *world) error {
	o := store.Options{Now: w.now}
	var rep store.Report
	var err error
	if c.Salvage {
		var kept int
		rep, kept, err = store.Salvage(w.ctx, c.Data, o)
		if err != nil {
			return err
		}
		fmt.Fprintf(w.stderr, "%d records were kept, %d faults were met\n", kept, rep.Found)
	}
	salvaged := rep
	rep, err = store.Check(w.ctx, c.Data, o)
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(w.stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(rep)
	} else {
		err = c.print(w, rep, salvaged)
	}
	if err == nil && rep.Found > 0 {
		err = cashback.Errorf(cashback.Internal, "%d faults in %s", rep.Found, c.Data)
	}
	return err
}

func (c *checkCmd) print(w *world, rep, salvaged store.Report) error {
	out := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "bucket\trecords\tKiB\t\n")
	for _, b := range rep.Buckets {
		fmt.Fprintf(out, "%s\t%d\t%d\t\n", b.Name, b.Records, (b.Bytes+1023)/1024)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w.stdout, "%s: version %d, %d KiB\n", rep.Path, rep.Version, (rep.Bytes+1023)/1024)
	lines := func(what string, list []string) {
		for _, l := range list {
			fmt.Fprintf(w.stdout, "%s: %s\n", what, l)
		}
	}
	lines("dropped", salvaged.Records)
	lines("dropped", salvaged.Sense)
	lines("structure", rep.Structure)
	lines("record", rep.Records)
	lines("contradiction", rep.Sense)
	if rep.Found == 0 {
		fmt.Fprintln(w.stdout, "everything is whole")
	}
	return nil
}
