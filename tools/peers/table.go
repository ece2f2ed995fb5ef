package main

import (
	"fmt"
	"slices"
	"strings"
)

// table returns a section in Markdown.
func (s *section) table(outcomes map[string]*outcome) string {
	var b strings.Builder
	heads := []string{"load", "server"}
	for i, m := range s.metrics {
		heads = append(heads, m.title)
		if i == 0 && s.base != "" {
			heads = append(heads, "× "+s.base)
		}
	}
	row(&b, heads)
	row(&b, slices.Repeat([]string{"---"}, len(heads)))
	for _, w := range s.workloads {
		o := outcomes[w.id]
		for _, subject := range w.subjects {
			row(&b, append([]string{w.title}, s.cells(o, subject)...))
		}
	}
	return b.String()
}

func row(b *strings.Builder, cells []string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// cells are those of one subject under one workload, its name first.
func (s *section) cells(o *outcome, subject string) []string {
	of := o.of(subject)
	cells := []string{title(of)}
	for i, m := range s.metrics {
		cells = append(cells, spread(m.of(of), m.digits))
		if i == 0 && s.base != "" {
			cells = append(cells, spread(o.ratios(subject, s.base, m.name), 2))
		}
	}
	return cells
}

// title names the subject of s, and tells what went wrong.
func title(s *series) string {
	name := string(s.Subject)
	if strings.HasPrefix(name, "gopush") {
		name = "**" + name + "**"
	}
	if n := len(s.Errors); n > 0 {
		name += fmt.Sprintf(" (%d of %d runs failed: %s)", n, len(s.Runs), s.Errors[0])
	}
	return name + s.missing()
}

// missing tells what did not come to s as it had to; "" if all did.
func (s *series) missing() (text string) {
	for _, t := range []struct{ tally, where string }{{"tally.", ""}, {"read_back.", " read back"}} {
		for _, what := range []string{"lost", "doubled", "out_of_order", "closed"} {
			if n := sum(s.values(t.tally + what)); n > 0 {
				received := number(sum(s.values(t.tally+"received")), 0)
				text += fmt.Sprintf(" (%s %s of %s%s)", number(n, 0), strings.ReplaceAll(what, "_", " "), received, t.where)
			}
		}
	}
	return text
}

// of returns the figures of all runs of s in the unit of m.
func (m metric) of(s *series) []float64 {
	values := s.values(m.name)
	for i := range values {
		values[i] /= m.per
	}
	return values
}

// spread is "median (least–greatest)" of values, or one number if these do not differ.
func spread(values []float64, digits int) string {
	if len(values) == 0 {
		return "–"
	}
	middle := number(median(values), digits)
	least, greatest := number(slices.Min(values), digits), number(slices.Max(values), digits)
	if least == greatest {
		return middle
	}
	return fmt.Sprintf("%s (%s–%s)", middle, least, greatest)
}

// number is v with so many digits behind the point, and commas between thousands.
func number(v float64, digits int) string {
	whole, rest, _ := strings.Cut(fmt.Sprintf("%.*f", digits, v), ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		return whole + "." + rest
	}
	return whole
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}
