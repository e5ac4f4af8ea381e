// Command cagnotte tells which cashback portal really pays most for a shop and a
// basket, and follows the money until it is in the bank.
//
// Its one invariant: a verb only parses, builds, runs and closes. Flags, the
// environment, the clock, randomness and the network are read or made here and
// passed down; nothing below reads them on its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cagnotte/cagnotte/internal/background"
	"github.com/cagnotte/cagnotte/internal/cashback"
)

// Exit statuses, part of the contract in the README.
const (
	exitOK       = 0
	exitFailed   = 1
	exitInvalid  = 2  // wrong input: a flag, a file, an amount
	exitLocked   = 73 // the data folder is in use (EX_CANTCREAT)
	exitDiskFail = 74 // the disk refuses (EX_IOERR)
)

// world is what a verb may touch of the outside. Tests pass their own.
type world struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	now    func() time.Time
	// terminal says that stderr is a terminal: a progress bar is drawn there, and
	// lines are printed elsewhere.
	terminal bool
	// logger is for what an operator may want to know; logTo says where it writes.
	logger *slog.Logger
}

// logTo sends what is logged from a level on to out: as text where a person sits
// there, as JSON elsewhere.
func (w *world) logTo(out io.Writer, level slog.Level) {
	o := &slog.HandlerOptions{Level: level}
	if w.terminal {
		w.logger = slog.New(slog.NewTextHandler(out, o))
	} else {
		w.logger = slog.New(slog.NewJSONHandler(out, o))
	}
}

// oneAtATime lets what is logged and what is told of progress share a stream.
type oneAtATime struct {
	mu  sync.Mutex
	out io.Writer
}

func (o *oneAtATime) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out.Write(b)
}

// cli is the command line. Each verb's struct lives in the file of its name.
type cli struct {
	Reward    rewardCmd    `cmd:"" help:"Read reward texts."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
	Portals   portalsCmd   `cmd:"" help:"Portal definitions, and what is known of portals."`
	Merchants merchantsCmd `cmd:"" help:"Which entries are the same shop."`
	Check     checkCmd     `cmd:"" help:"Look whether the data folder is whole, while no process has it open."`
	Demo      demoCmd      `cmd:"" help:"Start demo portals on this machine, crawl them, and serve."`
	Serve     serveCmd     `cmd:"" help:"Serve web, API, scheduler and crawler."`
	Crawl     crawlCmd     `cmd:"" help:"Crawl now, and print what came of it."`
	Schedule  scheduleCmd  `cmd:"" help:"When portals are crawled: list, set, pause, resume, run, cancel."`
	Runs      runsCmd      `cmd:"" help:"What crawls gave, and what the gate holds back."`
	Users     usersCmd     `cmd:"" help:"Accounts, while no process serves the folder."`
	Ledger    ledgerCmd    `cmd:"" help:"Your money: balances, exports, archives, while no process serves the folder."`
	Rates     ratesCmd     `cmd:"" help:"Exchange and VAT rates, while no process serves the folder."`
	Rank      rankCmd      `cmd:"" help:"Which portal leaves the most money in your hands."`
}

func main() {
	background.Threads()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	info, err := os.Stderr.Stat()
	w := &world{
		ctx: ctx, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, now: time.Now,
		terminal: err == nil && info.Mode()&os.ModeCharDevice != 0,
	}
	status := run(w, os.Args[1:])
	stop()
	os.Exit(status)
}

// run executes one command line and returns its exit status.
func run(w *world, args []string) int {
	if !w.terminal { // a terminal's bars need the file itself, and keep their own order
		w.stderr = &oneAtATime{out: w.stderr}
	}
	var c cli
	exit := -1 // set when kong has answered by itself (--help)
	parser, err := kong.New(&c,
		kong.Name("cagnotte"),
		kong.Description("Which cashback portal really pays most, and where your money is."),
		kong.Writers(w.stdout, w.stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.UsageOnError(),
		kong.Bind(w),
	)
	if err != nil {
		fmt.Fprintln(w.stderr, "cagnotte:", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		fmt.Fprintf(w.stderr, "cagnotte: %v\nTry: cagnotte --help\n", err)
		return exitInvalid
	}
	if err := refuseEmpty(command); err != nil {
		fmt.Fprintln(w.stderr, "cagnotte:", err)
		return exitInvalid
	}
	if err := command.Run(w); err != nil {
		if !errors.Is(err, context.Canceled) || w.ctx.Err() == nil {
			fmt.Fprintln(w.stderr, "cagnotte:", err)
		}
		return statusOf(err)
	}
	return exitOK
}

// refuseEmpty refuses a flag that is given without a value, as --amount="$AMOUNT" is
// where the variable isn't set: its default would answer another question than the one
// that was meant.
func refuseEmpty(command *kong.Context) error {
	for _, p := range command.Path {
		if p.Flag != nil && !p.Resolved && p.Flag.Target.Kind() == reflect.String && p.Flag.Target.String() == "" {
			return cashback.ErrorAt(cashback.Invalid, cashback.Place{Field: "--" + p.Flag.Name}, "it has no value: give one, or leave the flag out")
		}
	}
	return nil
}

func statusOf(err error) int {
	switch cashback.KindOf(err) {
	case cashback.Invalid, cashback.NotFound:
		return exitInvalid
	case cashback.Locked:
		return exitLocked
	case cashback.DiskFailed:
		return exitDiskFail
	}
	return exitFailed
}
