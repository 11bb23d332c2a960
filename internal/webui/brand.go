package webui

import (
	"fmt"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// brandSheet is the style sheet that holds an installation's accent colour.
const brandSheet = "styles/brand.css"

// maxLogo is the largest logo, in bytes: it is sent with every first visit.
const maxLogo = 64 << 10

// applyBrand takes an installation's colour and logo among the static files.
func (s *Site) applyBrand(o Options) error {
	if o.BrandColor != "" {
		sheet := fmt.Sprintf(":root { --tblr-primary: %s; --tblr-primary-fg: %s; --tblr-primary-darken: color-mix(in oklab, %[1]s 85%%, black); }\n",
			o.BrandColor, inkOn(o.BrandColor))
		if err := s.files.add(brandSheet, []byte(sheet)); err != nil {
			return err
		}
	}
	if o.BrandLogo == "" {
		return nil
	}
	body, err := os.ReadFile(o.BrandLogo)
	if err != nil {
		return fmt.Errorf("reading BRAND_LOGO_FILE: %w", err)
	}
	kind := strings.ToLower(path.Ext(o.BrandLogo))
	if kind != ".svg" && kind != ".png" || len(body) > maxLogo {
		return fmt.Errorf("BRAND_LOGO_FILE must name an .svg or .png file of at most %d KiB", maxLogo>>10)
	}
	name := "images/brand" + kind
	if err := s.files.add(name, body); err != nil {
		return err
	}
	s.frame.Logo = s.address(name)
	return nil
}

// inkOn returns black or white, whichever is easier to read on a colour, by the
// relative luminance of WCAG 2.2.
func inkOn(color string) string {
	luminance := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(color[1+2*i:3+2*i], 16, 8)
		if err != nil {
			return "#ffffff" // the colour has been checked
		}
		luminance += weight * linear(float64(n)/255)
	}
	if (luminance+0.05)*(luminance+0.05) > 1.05*0.05 {
		return "#000000"
	}
	return "#ffffff"
}

// linear returns the linear value of one channel of sRGB, both from 0 to 1.
func linear(channel float64) float64 {
	if channel <= 0.04045 {
		return channel / 12.92
	}
	return math.Pow((channel+0.055)/1.055, 2.4)
}
