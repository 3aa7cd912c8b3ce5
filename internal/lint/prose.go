package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	// widest is how many columns a comment or a line of Markdown may have, with tabs of 4.
	widest = 100
	// longestFile is the number of lines from which on a file has more than one idea in it.
	longestFile = 500
)

// words hide the subject of a sentence.
var words = []struct{ word, instead string }{
	{"whoever", "name who it is, or write \"a caller that ...\", \"anyone who ...\""},
	{"whosoever", "name who it is"},
	{"wherever", "write \"if\" or \"when\", or name the place"},
	{"whichever", "name what it is, or write \"either\", \"any\""},
	{"of which", "start a new sentence, or write \"whose\""},
	{"that which", "name the thing"},
	{"thereby", "start a new sentence"},
	{"therein", "name the place"},
	{"whereby", "start a new sentence"},
	{"where there is", "write \"if there is\""},
	{"where there are", "write \"if there are\""},
}

var wordPattern = func() *regexp.Regexp {
	var alternatives []string
	for _, w := range words {
		alternatives = append(alternatives, strings.ReplaceAll(w.word, " ", `\s+`))
	}
	return regexp.MustCompile(`(?i)\b(` + strings.Join(alternatives, "|") + `)\b`)
}()

// alike is the part of its words that two paragraphs of a doc.go may share. Beyond it one of them
// probably replaced another paragraph, and an invariant is lost.
const alike = 0.7

// checkRepeats compares the paragraphs of a package's documentation with each other.
func checkRepeats(file, source string) (findings []string) {
	var before []map[string]bool
	for _, paragraph := range paragraphs.Split(source, -1) {
		words := map[string]bool{}
		for _, word := range strings.Fields(strings.ReplaceAll(paragraph, "//", "")) {
			words[strings.Trim(word, ".,;:")] = true
		}
		if len(words) < 8 {
			continue
		}
		for _, other := range before {
			shared := 0
			for word := range words {
				if other[word] {
					shared++
				}
			}
			if float64(shared) > alike*float64(min(len(words), len(other))) {
				text := strings.Join(strings.Fields(strings.ReplaceAll(paragraph, "//", "")), " ")
				findings = append(findings, fmt.Sprintf("%s says the same twice: %.60s...", file, text))
			}
		}
		before = append(before, words)
	}
	return findings
}

// paragraphs ends a paragraph of a comment: at an empty line or before a number.
var paragraphs = regexp.MustCompile(`(?m)^//\s*$|^//\s+\d+\. |^//\t.*$`)

// importers are the sentences of hand-kept lists of importers, which the table of rooms replaces.
var importers = regexp.MustCompile(`\b[Ii]mporters\b|\b[Nn]obody imports\b|(?m)^// It imports `)

func width(line string) int {
	return utf8.RuneCountInString(line) + 3*strings.Count(line, "\t")
}

// unbreakable reports whether a line is one word, such as a long address.
func unbreakable(line string) bool { return len(strings.Fields(strings.TrimLeft(line, "/ \t-*>"))) < 2 }

// checkComments looks at the comments of a Go file. Directives and preformatted text are exempt:
// neither can be wrapped.
func checkComments(file, source string, parsed *ast.File, positions *token.FileSet) (findings []string) {
	lines := strings.Split(source, "\n")
	for _, group := range parsed.Comments {
		for _, comment := range group.List {
			first := positions.Position(comment.Pos()).Line
			for i, text := range strings.Split(comment.Text, "\n") {
				line := lines[first+i-1]
				exempt := strings.HasPrefix(text, "//go:") || strings.HasPrefix(text, "//\t") || unbreakable(text)
				if width(line) > widest && !exempt {
					findings = append(findings, fmt.Sprintf("%s:%d has a comment up to column %d; wrap it at %d", file, first+i, width(line), widest))
				}
			}
		}
		first := positions.Position(group.Pos()).Line
		findings = append(findings, checkWords(file, first, group.List)...)
	}
	return findings
}

func checkWords(file string, first int, comments []*ast.Comment) (findings []string) {
	var text strings.Builder
	for _, comment := range comments {
		text.WriteString(strings.TrimPrefix(comment.Text, "//") + "\n")
	}
	return findWords(file, first, text.String())
}

// findWords finds words in a text that begins on a line of a file.
func findWords(file string, first int, text string) (findings []string) {
	for _, at := range wordPattern.FindAllStringIndex(text, -1) {
		found := strings.Join(strings.Fields(strings.ToLower(text[at[0]:at[1]])), " ")
		for _, w := range words {
			if w.word == found {
				line := first + strings.Count(text[:at[0]], "\n")
				findings = append(findings, fmt.Sprintf("%s:%d says %q; %s", file, line, found, w.instead))
			}
		}
	}
	return findings
}

var codeSpan = regexp.MustCompile("`[^`\n]*`")

// checkMarkdown looks at a page without its code. Tables are exempt from the width: a row is one
// line.
func checkMarkdown(file, source string) (findings []string) {
	lines, inFence := strings.Split(source, "\n"), false
	for i, line := range lines {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		if fence {
			inFence = !inFence
		}
		if fence || inFence || strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t") {
			lines[i] = "" // code
			continue
		}
		table := strings.HasPrefix(strings.TrimSpace(line), "|")
		if width(line) > widest && !table && !unbreakable(line) {
			findings = append(findings, fmt.Sprintf("%s:%d has %d columns; wrap it at %d", file, i+1, width(line), widest))
		}
		lines[i] = codeSpan.ReplaceAllString(line, "`")
	}
	return append(findings, findWords(file, 1, strings.Join(lines, "\n"))...)
}
