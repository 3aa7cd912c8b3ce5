package system

import (
	"context"
	"fmt"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

var scraper = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 2}}

// Metrics is what an instance says at /metrics, by name.
type Metrics map[string]*dto.MetricFamily

// Metrics asks the instance.
func (i *Instance) Metrics(ctx context.Context) (Metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.URL()+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := scraper.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics of %s: status %d", i.Name, response.StatusCode)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(response.Body)
}

// Value returns a metric without labels, or 0.
func (m Metrics) Value(name string) float64 {
	family := m[name]
	if family == nil || len(family.Metric) == 0 {
		return 0
	}
	return value(family.Metric[0])
}

// Sums returns the sums of a metric by the values of one label.
func (m Metrics) Sums(name, label string) map[string]float64 {
	sums := map[string]float64{}
	if m[name] == nil {
		return sums
	}
	for _, metric := range m[name].Metric {
		for _, pair := range metric.Label {
			if pair.GetName() == label {
				sums[pair.GetValue()] += value(metric)
			}
		}
	}
	return sums
}

func value(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	}
	return m.GetUntyped().GetValue()
}
