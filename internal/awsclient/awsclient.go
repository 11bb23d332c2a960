// Package awsclient is the one place that builds clients of AWS: region,
// endpoint, timeouts, pool and retries are set here, and nowhere else. It knows
// no use case.
package awsclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
)

// attempts is how often a call is tried, the first time included.
const attempts = 3

// Options are what calls to one service are made with. The zero values leave
// the choice to the SDK.
type Options struct {
	Endpoint       string        // base URL instead of the service's own
	ConnectTimeout time.Duration // of a new connection, and of TLS on it
	ReadTimeout    time.Duration // without a byte coming or going on a connection in use
	Connections    int           // kept and at most open
	// Trace, if not nil, wraps the transport.
	Trace func(http.RoundTripper) http.RoundTripper
}

// Config reads credentials and profile the way every SDK does; the region is
// the caller's.
func Config(ctx context.Context, region string) (aws.Config, error) {
	c, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading the AWS configuration: %w", err)
	}
	return c, nil
}

// DynamoDB builds the client of the tables.
func DynamoDB(c aws.Config, o Options) *dynamodb.Client {
	return dynamodb.NewFromConfig(c, func(d *dynamodb.Options) {
		d.HTTPClient, d.BaseEndpoint, d.Retryer = o.client(), o.endpoint(), retryer()
	})
}

// KMS builds the client of the key service.
func KMS(c aws.Config, o Options) *kms.Client {
	return kms.NewFromConfig(c, func(k *kms.Options) {
		k.HTTPClient, k.BaseEndpoint, k.Retryer = o.client(), o.endpoint(), retryer()
	})
}

func (o Options) endpoint() *string {
	if o.Endpoint == "" {
		return nil
	}
	return aws.String(o.Endpoint)
}

// retryer tries again what the SDK does, and beyond that where an answer came
// that cannot be read: it is as good as lost.
func retryer() aws.Retryer {
	return retry.NewStandard(func(s *retry.StandardOptions) {
		s.MaxAttempts = attempts
		s.MaxBackoff = time.Second
		s.Retryables = append(s.Retryables, retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if _, unreadable := errors.AsType[*smithy.DeserializationError](err); unreadable || errors.Is(err, io.ErrUnexpectedEOF) {
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		}))
	})
}

func (o Options) client() aws.HTTPClient {
	t := awshttp.NewBuildableClient().GetTransport()
	dialer := &net.Dialer{Timeout: o.ConnectTimeout}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil || o.ReadTimeout == 0 {
			return c, err
		}
		return impatientConn{c, o.ReadTimeout}, nil
	}
	if o.ConnectTimeout > 0 {
		t.TLSHandshakeTimeout = o.ConnectTimeout
	}
	t.ResponseHeaderTimeout = o.ReadTimeout
	if o.Connections > 0 {
		t.MaxIdleConns, t.MaxIdleConnsPerHost, t.MaxConnsPerHost = o.Connections, o.Connections, o.Connections
	}
	var transport http.RoundTripper = watched{t, o.ReadTimeout}
	if o.Trace != nil {
		transport = o.Trace(transport)
	}
	return &http.Client{
		Transport: transport,
		// No service of AWS redirects; a signed request is for its address alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
