package torture

import (
	"context"
	"time"

	"github.com/foldlog/foldlog/proof/torture/proxy"
)

// breakNetwork breaks the connections between an instance and the brokers in all ways that the
// proxy can.
func breakNetwork(ctx context.Context, r *run) error {
	ways := []struct {
		name        string
		do          func(*proxy.Proxy)
		least, most time.Duration
	}{
		{"cut", (*proxy.Proxy).Cut, 0, time.Second},
		{"refuse", (*proxy.Proxy).Refuse, 500 * time.Millisecond, 14 * time.Second},
		{"hold", (*proxy.Proxy).Hold, time.Second, 14 * time.Second},
		{"delay", func(p *proxy.Proxy) { p.Delay(200 * time.Millisecond) }, 3 * time.Second, 8 * time.Second},
		{"reset-after-request", (*proxy.Proxy).ResetAnswers, 100 * time.Millisecond, 3 * time.Second},
	}
	all := append(r.processors(), r.edges()...)
	from := r.random.IntN(len(ways))
	return r.each(ctx, func(n int) error {
		way, victim := ways[(from+n)%len(ways)], pick(r, all)
		links := r.system.Links(victim.Name)
		if len(links) > 1 && r.random.IntN(2) == 0 {
			links = links[:1+r.random.IntN(len(links)-1)]
		}
		r.inflicted(hit{kind: "network-" + way.name, target: victim.Name})
		mend := r.breaks("the network of "+victim.Name, func(context.Context) error {
			r.note("network-mended", victim.Name, "")
			for _, link := range links {
				link.Mend()
			}
			return nil
		})
		for _, link := range links {
			way.do(link)
		}
		if err := r.wait(ctx, way.least, way.most); err != nil {
			return err
		}
		if err := mend(ctx); err != nil {
			return err
		}
		r.answersAgain(ctx)
		return r.wait(ctx, 0, 2*time.Second)
	})
}
