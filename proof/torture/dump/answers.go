package dump

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/foldlog/foldlog/client"
	"github.com/foldlog/foldlog/proof/history"
)

// answersPatience is how long one answer is tried for.
const answersPatience = 20 * time.Second

// Answers writes what an instance answers over HTTP: all rows of the views, and the states of ids
// by aggregate type. An id without a state has no line.
func Answers(ctx context.Context, dir, instance, url string, views []string, ids map[string][]string) error {
	c, err := client.New(client.Config{URL: url, Patience: answersPatience, Timeout: 10 * time.Second})
	if err != nil {
		return err
	}
	for _, view := range views {
		if err := write(dir, "views/"+instance+"/"+view+".jsonl", func(out *history.Writer) error {
			for row, err := range c.ViewRows(ctx, view, client.Query{Limit: 1000}) {
				if err != nil {
					return err
				}
				if err := out.Write(history.Row{Key: row.Key, Row: row.Data}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return fmt.Errorf("dump %s: %w", instance, err)
		}
	}
	for aggregate, all := range ids {
		if err := write(dir, "states/"+instance+"/"+aggregate+".jsonl", func(out *history.Writer) error {
			for _, id := range all {
				state, err := c.State(ctx, aggregate, id, nil)
				if problem, is := errors.AsType[*client.Problem](err); is && problem.Status == http.StatusNotFound {
					continue
				}
				if err != nil {
					return err
				}
				row, err := json.Marshal(state)
				if err != nil {
					return err
				}
				if err := out.Write(history.Row{Key: id, Row: row}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return fmt.Errorf("dump %s: %w", instance, err)
		}
	}
	return nil
}

// write makes a file of rows.
func write(dir, name string, fill func(*history.Writer) error) error {
	out, err := history.Create(dir, name)
	if err != nil {
		return err
	}
	return errors.Join(fill(out), out.Close())
}
