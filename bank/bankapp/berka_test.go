package bankapp

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const header = `"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"` + "\n"

// parse reads one file's text and returns its rows and problems as texts.
func parse(t *testing.T, text string) ([]movement, []string) {
	t.Helper()
	rows, wrong := parseMovements("f.asc", strings.NewReader(text))
	var problems []string
	for _, w := range wrong {
		problems = append(problems, w.Error())
	}
	return rows, problems
}

func TestParseMovements(t *testing.T) {
	rows, problems := parse(t, header+
		`695247;2378;930101;"PRIJEM";"VKLAD";700.00;700.00;"";;`+"\n"+
		`1;576;930929;VYDAJ;"PREVOD NA UCET";14.6;-17677.30;" ";"YZ";"87144583"`+"\n"+
		`2;576;991231;"VYBER";"VYBER";3;0;"SANKC. UROK";;`+"\n")
	if problems != nil {
		t.Fatalf("problems: %q", problems)
	}
	want := []movement{
		{transID: 695247, accountID: 2378, date: "1993-01-01", deposit: true, amount: 70000, reference: "VKLAD", place: "f.asc:2"},
		{transID: 1, accountID: 576, date: "1993-09-29", amount: 1460, reference: "PREVOD NA UCET", place: "f.asc:3"},
		{transID: 2, accountID: 576, date: "1999-12-31", amount: 300, reference: "VYBER SANKC. UROK", place: "f.asc:4"},
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("rows\n%+v\nwant\n%+v", rows, want)
	}
}

func TestParseMovementsTakesWindowsFiles(t *testing.T) {
	text := header + `1;2;930101;"PRIJEM";"";0.01;0;"";;` + "\n\n" + `3;2;930102;"PRIJEM";"say ""hi""; then go";0.10;0;"";;`
	rows, problems := parse(t, "\uFEFF"+strings.ReplaceAll(text, "\n", "\r\n"))
	if problems != nil {
		t.Fatalf("problems: %q", problems)
	}
	if len(rows) != 2 || rows[0].amount != 1 || rows[1].amount != 10 || rows[1].reference != `say "hi"; then go` || rows[1].place != "f.asc:4" {
		t.Errorf("rows %+v", rows)
	}
}

func TestParseMovementsReportsEverything(t *testing.T) {
	rows, problems := parse(t, header+
		"x;0;930230;CREDIT;;1,50;;;;\n"+ // five wrong fields
		"1;2;930101;PRIJEM;;1.00;;;\n"+ // a field short
		"1;2;930101;\"PRIJEM;;1.00\";;;\n"+ // eight fields, since one swallows its neighbours
		"1;2;930101;PRI\"JEM;;1.00;;;;\n"+ // a quote in the middle
		"1;2;930101;PRIJEM;;1.00;;;;\n")
	want := []string{
		`f.asc:2: trans_id "x" is not a positive number`,
		`f.asc:2: account_id "0" is not a positive number`,
		`f.asc:2: date "930230" is not a day as yymmdd`,
		`f.asc:2: type "CREDIT" is not PRIJEM, VYDAJ or VYBER`,
		`f.asc:2: amount "1,50" is not a number of crowns with at most two decimals`,
		`f.asc:3: has 9 fields, want 10`,
		`f.asc:4: has 7 fields, want 10`,
		`f.asc:5: bare " in non-quoted-field`,
	}
	if !reflect.DeepEqual(problems, want) {
		t.Errorf("problems\n%s\nwant\n%s", strings.Join(problems, "\n"), strings.Join(want, "\n"))
	}
	if len(rows) != 1 || rows[0].place != "f.asc:6" {
		t.Errorf("the good row behind the bad ones is missing: %+v", rows)
	}
}

func TestParseMovementsRefusesOtherFiles(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "accounts": "\"account_id\";\"district_id\"\r\n576;55\r\n", "no header": `1;2;930101;"PRIJEM";"";0.01;0;"";;` + "\n",
	} {
		rows, problems := parse(t, text)
		if rows != nil || len(problems) != 1 || !strings.Contains(problems[0], "f.asc:1: not a transaction file") {
			t.Errorf("%s: rows %v, problems %q", name, rows, problems)
		}
	}
}

func TestParseAmount(t *testing.T) {
	for text, want := range map[string]int64{
		"700.00": 70000, "0.01": 1, "0.10": 10, "0.1": 10, "14.6": 1460, "3": 300, "007.50": 750,
		"0.29": 29, "1.15": 115, "16777217.03": 1677721703, // floats get these wrong
		"10000000000000.00": 1_000_000_000_000_000,
	} {
		if got, err := parseAmount(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", ".", ".5", "5.", "1.005", "-1.00", "+1.00", "1e3", "1,00", " 1", "1 ", "0", "0.00", "0x10", "1.0.0", "٣",
		"10000000000000.01", "99999999999999999999", "1_000",
	} {
		if got, err := parseAmount(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func TestParseIDAndDate(t *testing.T) {
	for _, text := range []string{"", "0", "-1", "+1", "01", "1.0", "9223372036854775808", " 1"} {
		if id, err := parseID("trans_id", text); err == nil {
			t.Errorf("id %q was read as %d", text, id)
		}
	}
	for _, text := range []string{"", "93010", "9301011", "930229", "931301", "930100", "19930101", "93-1-1"} {
		if day, err := parseDate(text); err == nil {
			t.Errorf("date %q was read as %s", text, day)
		}
	}
	if day, err := parseDate("960229"); err != nil || day != "1996-02-29" {
		t.Errorf("leap day: %q, %v", day, err)
	}
}

func TestReadMovementsSortsOverAllFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, rows string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(header+rows), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	row := func(id, date string) string { return fmt.Sprintf("%s;1;%s;PRIJEM;;1.00;;;;\n", id, date) }
	a := write("a", row("10", "930102")+row("9", "930102")+row("30", "930101"))
	b := write("b", row("1", "930103")+row("20", "930102"))
	rows, err := readMovements([]string{b, a})
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for _, r := range rows {
		ids = append(ids, r.transID)
	}
	if want := []int64{30, 9, 10, 20, 1}; !reflect.DeepEqual(ids, want) {
		t.Errorf("order %v, want %v (by date, then trans_id as a number)", ids, want)
	}

	// Everything wrong in all files is told at once.
	bad := write("bad", row("77", "939999"))
	twice := write("twice", row("10", "930102"))
	_, err = readMovements([]string{a, bad, twice, filepath.Join(dir, "missing")})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"bad:2: date", "trans_id 10 was already used at ", "missing: no such file"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in the error:\n%s", want, err)
		}
	}
}
