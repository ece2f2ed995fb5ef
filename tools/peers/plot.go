package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// bar is a line of a plot: a subject, or a workload, without values, above them.
type bar struct {
	name   string
	values []float64 // one for each run
}

// bars lists the lines of a plot from top to bottom.
func (s *section) bars(outcomes map[string]*outcome) (all []bar) {
	for _, w := range s.workloads {
		all = append(all, bar{name: w.title})
		for _, subject := range w.subjects {
			all = append(all, bar{name: subject, values: s.metrics[0].of(outcomes[w.id].of(subject))})
		}
	}
	return all
}

// hue has gopush and its clusters, the floor and the others in colours that differ in grey, too.
func (b bar) hue() color.Color {
	switch {
	case strings.HasPrefix(b.name, "gopush"), strings.HasPrefix(b.name, "cluster"):
		return color.RGBA{R: 0x00, G: 0x5b, B: 0x96, A: 0xff}
	case b.name == floor:
		return color.RGBA{R: 0x88, G: 0x88, B: 0x88, A: 0xff}
	}
	return color.RGBA{R: 0xf0, G: 0xb0, B: 0x50, A: 0xff}
}

// draw writes the plot of s to dir: for each subject a bar as long as the median of the first
// metric, with a whisker from the least to the greatest of the runs.
func (s *section) draw(dir string, outcomes map[string]*outcome) error {
	const width, line, around = 18 * vg.Centimeter, 16, 80
	bars := s.bars(outcomes)
	slices.Reverse(bars) // the axis goes up
	p := plot.New()
	p.Title.Text = s.title
	p.X.Label.Text, p.X.Min = s.metrics[0].title, 0
	p.Y.LineStyle.Width, p.Y.Tick.LineStyle.Width = 0, 0
	names := make([]string, len(bars))
	for i, b := range bars {
		names[i] = b.name
		if err := b.add(p, i, s.metrics[0].digits); err != nil {
			return err
		}
	}
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -0.7, float64(len(bars))-0.3
	p.X.Max *= 1.12 // room for the figure at the longest bar
	for _, style := range []*text.Style{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label} {
		style.Font.Variant = "Sans"
	}
	canvas := vgsvg.New(width, vg.Points(around+line*float64(len(bars))))
	const margin = 10
	p.Draw(draw.Crop(draw.New(canvas), margin, -margin, margin, -margin))
	return write(filepath.Join(dir, s.id+".svg"), canvas)
}

// add draws b at line i.
func (b bar) add(p *plot.Plot, i, digits int) error {
	if len(b.values) == 0 {
		return nil
	}
	const thick = 11
	at := median(b.values)
	chart, err := plotter.NewBarChart(plotter.Values{at}, vg.Points(thick))
	if err != nil {
		return err
	}
	chart.Horizontal, chart.XMin, chart.Color = true, float64(i), b.hue()
	chart.LineStyle.Width = 0
	least, greatest := slices.Min(b.values), slices.Max(b.values)
	whisker, err := plotter.NewXErrorBars(struct {
		plotter.XYs
		plotter.XErrors
	}{plotter.XYs{{X: at, Y: float64(i)}}, plotter.XErrors{{Low: least - at, High: greatest - at}}})
	if err != nil {
		return err
	}
	label, err := plotter.NewLabels(plotter.XYLabels{
		XYs: plotter.XYs{{X: greatest, Y: float64(i)}}, Labels: []string{number(at, digits)},
	})
	if err != nil {
		return err
	}
	label.TextStyle[0].Font.Variant = "Sans"
	label.TextStyle[0].YAlign, label.Offset = draw.YCenter, vg.Point{X: 5, Y: 1}
	p.Add(chart, whisker, label)
	return nil
}

// write writes canvas to file, with fonts of the same widths for those who have not that of the
// library.
func write(file string, canvas *vgsvg.Canvas) error {
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	const font = "font-family:Liberation Sans"
	text := bytes.ReplaceAll(svg.Bytes(), []byte(font), []byte(font+",Arial,Helvetica,sans-serif"))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}
