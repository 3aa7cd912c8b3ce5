package bankapp

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/foldlog/foldlog/bank/rules"
)

// berkaColumns are the columns of a transaction file in the format of the PKDD'99 financial data
// set (Petr Berka). Fields are separated by semicolons, texts may stand in double quotes, the first
// line names the columns.
var berkaColumns = []string{"trans_id", "account_id", "date", "type", "operation", "amount", "balance", "k_symbol", "bank", "account"}

// Places of the columns that are read. The bank's own running balance is not: it is rounded, and
// its order within a day is not given.
const (
	columnTransID = iota
	columnAccountID
	columnDate
	columnType
	columnOperation
	columnAmount
	columnSymbol = 7
)

// movement is one row of a transaction file.
type movement struct {
	transID   int64
	accountID int64
	// date is the booking day as YYYY-MM-DD.
	date string
	// deposit says that money came in; otherwise it went out.
	deposit bool
	// amount is in haleru, positive.
	amount int64
	// reference has the operation and the purpose as the file gives them.
	reference string
	// place is "file:line".
	place string
}

// readMovements reads transaction files and returns their rows by date, then trans_id. The error
// joins everything that is wrong in all files, each with its file and line.
func readMovements(files []string) ([]movement, error) {
	var all []movement
	var problems []error
	for _, name := range files {
		rows, wrong := readFile(name)
		all = append(all, rows...)
		problems = append(problems, wrong...)
	}
	slices.SortStableFunc(all, func(a, b movement) int {
		return cmp.Or(strings.Compare(a.date, b.date), cmp.Compare(a.transID, b.transID))
	})
	return all, errors.Join(append(problems, repeatedIDs(all)...)...)
}

// repeatedIDs finds rows with the trans_id of another row: their commands would have the same id,
// and the second be taken for a repetition of the first.
func repeatedIDs(all []movement) []error {
	var problems []error
	first := make(map[int64]string, len(all))
	for _, m := range all {
		if place, taken := first[m.transID]; taken {
			problems = append(problems, fmt.Errorf("%s: trans_id %d was already used at %s", m.place, m.transID, place))
			continue
		}
		first[m.transID] = m.place
	}
	return problems
}

func readFile(name string) ([]movement, []error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, []error{err}
	}
	defer file.Close()
	return parseMovements(name, file)
}

// parseMovements reads one transaction file. It goes on behind a bad row, so that all problems are
// found at once; only a wrong first line ends it, since that is another kind of file.
func parseMovements(name string, in io.Reader) ([]movement, []error) {
	r := csv.NewReader(skipByteOrderMark(in))
	r.Comma = ';'
	r.FieldsPerRecord = -1 // counted here, to say what was expected
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, []error{lineProblem(name, 1, err)}
	}
	if !slices.Equal(header, berkaColumns) {
		return nil, []error{fmt.Errorf("%s:1: not a transaction file: the first line must be %s", name, strings.Join(berkaColumns, ";"))}
	}
	var rows []movement
	var problems []error
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, problems
		}
		var syntax *csv.ParseError
		switch {
		case errors.As(err, &syntax):
			problems = append(problems, lineProblem(name, syntax.StartLine, syntax.Err))
			continue
		case err != nil: // the file cannot be read on
			return rows, append(problems, fmt.Errorf("%s: %w", name, err))
		}
		line, _ := r.FieldPos(0)
		m, wrong := parseMovement(fields)
		for _, w := range wrong {
			problems = append(problems, lineProblem(name, line, w))
		}
		if len(wrong) == 0 {
			m.place = fmt.Sprintf("%s:%d", name, line)
			rows = append(rows, m)
		}
	}
}

func lineProblem(name string, line int, err error) error {
	return fmt.Errorf("%s:%d: %w", name, line, err)
}

func skipByteOrderMark(in io.Reader) io.Reader {
	buffered := bufio.NewReader(in)
	if start, err := buffered.Peek(3); err == nil && string(start) == "\uFEFF" {
		_, _ = buffered.Discard(3)
	}
	return buffered
}

// parseMovement returns the row, or all that is wrong with it.
func parseMovement(fields []string) (m movement, problems []error) {
	if len(fields) != len(berkaColumns) {
		return m, []error{fmt.Errorf("has %d fields, want %d", len(fields), len(berkaColumns))}
	}
	check := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	var err error
	m.transID, err = parseID("trans_id", fields[columnTransID])
	check(err)
	m.accountID, err = parseID("account_id", fields[columnAccountID])
	check(err)
	m.date, err = parseDate(fields[columnDate])
	check(err)
	m.deposit, err = parseType(fields[columnType])
	check(err)
	m.amount, err = parseAmount(fields[columnAmount])
	check(err)
	m.reference, err = parseReference(fields[columnOperation], fields[columnSymbol])
	check(err)
	return m, problems
}

// parseID reads a positive number in its shortest form, since ids of accounts and commands are
// built from the text.
func parseID(column, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 || strconv.FormatInt(id, 10) != text {
		return 0, fmt.Errorf("%s %q is not a positive number", column, text)
	}
	return id, nil
}

// parseDate reads yymmdd; all years are of the 20th century.
func parseDate(text string) (string, error) {
	day, err := time.Parse("20060102", "19"+text)
	if err != nil || len(text) != len("yymmdd") {
		return "", fmt.Errorf("date %q is not a day as yymmdd", text)
	}
	return day.Format(time.DateOnly), nil
}

func parseType(text string) (deposit bool, err error) {
	switch text {
	case "PRIJEM": // credit
		return true, nil
	case "VYDAJ", "VYBER": // debit, cash debit
		return false, nil
	}
	return false, fmt.Errorf("type %q is not PRIJEM, VYDAJ or VYBER", text)
}

// parseAmount reads crowns with at most two decimals and returns haleru.
func parseAmount(text string) (int64, error) {
	crowns, fraction, hasFraction := strings.Cut(text, ".")
	if !digits(crowns) || hasFraction && (!digits(fraction) || len(fraction) > 2) {
		return 0, fmt.Errorf("amount %q is not a number of crowns with at most two decimals", text)
	}
	haleru, err := strconv.ParseInt(crowns+(fraction + "00")[:2], 10, 64)
	if err != nil || haleru > rules.MaxAmount {
		return 0, fmt.Errorf("amount %q is above the largest, %d haleru", text, int64(rules.MaxAmount))
	}
	if haleru == 0 {
		return 0, fmt.Errorf("amount %q: a movement of nothing; remove the row", text)
	}
	return haleru, nil
}

func digits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

func parseReference(operation, symbol string) (string, error) {
	reference := strings.TrimSpace(strings.TrimSpace(operation) + " " + strings.TrimSpace(symbol))
	if !utf8.ValidString(reference) {
		return "", errors.New("operation or k_symbol is not UTF-8; convert the file first")
	}
	if utf8.RuneCountInString(reference) > rules.MaxReferenceLength {
		return "", fmt.Errorf("operation and k_symbol are longer than %d characters", rules.MaxReferenceLength)
	}
	return reference, nil
}
