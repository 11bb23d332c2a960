package webui

import (
	"slices"
	"strconv"
)

// chart is a chart of bars with everything computed that its drawing needs.
// Lengths are units of its own coordinates.
type chart struct {
	ID            string // of its title
	Title         string // what it shows, for those who do not see it
	Width, Height int
	Base          int // where the bars stand
	Bars          []bar
}

type bar struct {
	X, Y, Width, Height int
	Middle              int
	LabelX              int
	Anchor              string // how the label stands at LabelX, so that it stays inside
	Label               string // below the bar; "" for none
	Value               string // above it; "" for none
	LabelY, ValueY      int
	Words               string // the whole of it, for those who point at it
}

// column is what a bar stands for.
type column struct {
	label, words string
	value        int
	marked       bool // the value is written above the bar
}

// The measures of a chart.
const (
	chartWidth  = 520
	chartHeight = 180
	chartTop    = 20
	chartBottom = 24
	chartGap    = 0.2 // between bars, as a part of their distance
	manyBars    = 12  // from here on labels are wider than bars
)

// drawn returns the chart of some columns.
func drawn(id, title string, columns []column) chart {
	c := chart{ID: id, Title: title, Width: chartWidth, Height: chartHeight, Base: chartHeight - chartBottom}
	highest := 1
	for _, column := range columns {
		highest = max(highest, column.value)
	}
	step := float64(chartWidth) / float64(max(len(columns), 1))
	room := c.Base - chartTop
	for i, column := range columns {
		height := room * column.value / highest
		if column.value > 0 {
			height = max(height, 2) // something is never drawn as nothing
		}
		b := bar{
			X: int(step * (float64(i) + chartGap/2)), Width: max(int(step*(1-chartGap)), 1), Y: c.Base - height, Height: height,
			Middle: int(step * (float64(i) + 0.5)), LabelX: int(step * (float64(i) + 0.5)), Anchor: "middle", Label: column.label, LabelY: chartHeight - 8, ValueY: c.Base - height - 6,
			Words: column.words,
		}
		switch {
		case len(columns) > manyBars && i == len(columns)-1:
			b.LabelX, b.Anchor = chartWidth, "end"
		case len(columns) > manyBars && i == 0:
			b.LabelX, b.Anchor = 0, "start"
		}
		if column.marked {
			b.Value = strconv.Itoa(column.value)
		}
		c.Bars = append(c.Bars, b)
	}
	return c
}

// allZero reports whether a chart would be empty.
func allZero(counts []int) bool {
	return !slices.ContainsFunc(counts, func(n int) bool { return n != 0 })
}
