// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
)

// minPollInterval keeps a slip of the unit from polling without pause.
const minPollInterval = 100 * time.Millisecond

// Validate returns all that is wrong with the options, one error per flag.
func (o *Options) Validate() error {
	return errors.Join(
		o.validateScope(),
		o.validateAiven(),
		o.validateDefaultToken(),
		o.validateOpenBao(),
		o.LeaderElection.validate(o.Namespace, o.Aiven.RequestTimeout),
		validateAddress("health-bind-address", o.HealthBindAddress),
		validateAddress("metrics-bind-address", o.MetricsBindAddress),
		positive("kube-api-qps", o.KubeQPS),
		positive("kube-api-burst", o.KubeBurst),
		positive("concurrent-syncs", o.ConcurrentSyncs),
		positive("shutdown-timeout", o.ShutdownTimeout),
	)
}

func (o *Options) validateScope() error {
	var errs []error
	selected, err := selectKinds(knownKinds(), kindsOffByDefault(), o.Controllers)
	if err != nil {
		errs = append(errs, err)
	}
	if slices.Contains(selected, bootstrap.Kind) && o.Namespace == "" {
		errs = append(errs, fmt.Errorf("--namespace: %s needs the namespace of the operator's ServiceAccount; set it or POD_NAMESPACE, or --controllers=-%s", bootstrap.Kind, bootstrap.Kind))
	}
	for _, ns := range o.WatchNamespaces {
		if err := validateName("watch-namespaces", ns); err != nil {
			errs = append(errs, err)
		}
	}
	if o.Namespace != "" {
		errs = append(errs, validateName("namespace", o.Namespace))
	}
	errs = append(errs, validateServiceAccount("service-account", o.ServiceAccount))
	if problems := validation.IsDNS1123Subdomain(o.Deployment); len(problems) > 0 {
		errs = append(errs, fmt.Errorf("--deployment: %q: %s", o.Deployment, strings.Join(problems, "; ")))
	}
	if o.PollInterval < minPollInterval {
		errs = append(errs, fmt.Errorf("--poll-interval: %s is less than %s", o.PollInterval, minPollInterval))
	}
	return errors.Join(errs...)
}

func validateName(flag, name string) error {
	if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
		return fmt.Errorf("--%s: %q is not a namespace name: %s", flag, name, strings.Join(problems, "; "))
	}
	return nil
}

func validateServiceAccount(flag, name string) error {
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return fmt.Errorf("--%s: %q: %s", flag, name, strings.Join(problems, "; "))
	}
	return nil
}

// validateOpenBao checks that the accounts differ: whoever reads servers must not
// be who writes to them, and the decoy must be nobody.
func (o *Options) validateOpenBao() error {
	errs := []error{
		validateServiceAccount("bootstrapper-service-account", o.OpenBao.BootstrapperServiceAccount),
		validateServiceAccount("decoy-service-account", o.OpenBao.DecoyServiceAccount),
		validateServiceAccount("servers-service-account", o.OpenBao.ServersServiceAccount),
		validateServiceAccount("servers-cluster-role", o.OpenBao.ServersClusterRole),
	}
	if a := o.OpenBao.AuthorizerServiceAccount; a != "" {
		errs = append(errs, validateServiceAccount("authorizer-service-account", a))
		if a == o.OpenBao.BootstrapperServiceAccount || a == o.OpenBao.DecoyServiceAccount {
			errs = append(errs, fmt.Errorf("--authorizer-service-account: %q is the account of the bootstrapper or the decoy, which are no processes", a))
		}
	}
	if o.OpenBao.BootstrapperServiceAccount == o.ServiceAccount {
		errs = append(errs, fmt.Errorf("--bootstrapper-service-account: %q is --service-account", o.ServiceAccount))
	}
	if d := o.OpenBao.DecoyServiceAccount; d == o.ServiceAccount || d == o.OpenBao.BootstrapperServiceAccount {
		errs = append(errs, fmt.Errorf("--decoy-service-account: %q is an account that works", d))
	}
	if s := o.OpenBao.ServersServiceAccount; s == o.OpenBao.BootstrapperServiceAccount || s == o.OpenBao.DecoyServiceAccount {
		errs = append(errs, fmt.Errorf("--servers-service-account: %q is the account of the bootstrapper or the decoy, and needs other rights", s))
	}
	if _, err := bootstrap.ParseLegacyAudiences(o.OpenBao.LegacyAudiences); err != nil {
		errs = append(errs, fmt.Errorf("--openbao-legacy-audience: %w", err))
	}
	if o.OpenBao.ProofInterval < minPollInterval {
		errs = append(errs, fmt.Errorf("--proof-interval: %s is less than %s", o.OpenBao.ProofInterval, minPollInterval))
	}
	return errors.Join(errs...)
}

func (o *Options) validateAiven() error {
	errs := []error{
		o.Aiven.validateURL(),
		positive("aiven-visible-within", o.Aiven.VisibleWithin),
		positive("aiven-qps", o.Aiven.QPS),
		positive("aiven-burst", o.Aiven.Burst),
		positive("aiven-concurrency", o.Aiven.Concurrency),
		positive("aiven-timeout", o.Aiven.RequestTimeout),
	}
	if o.Aiven.RequestTimeout > reconcile.DefaultItemTimeout {
		errs = append(errs, fmt.Errorf("--aiven-timeout: %s is more than the %s that one sync may take", o.Aiven.RequestTimeout, reconcile.DefaultItemTimeout))
	}
	if i := o.Aiven.EventLogInterval; i < 0 || i > 0 && i < minPollInterval {
		errs = append(errs, fmt.Errorf("--event-log-interval: %s is neither 0 (off) nor at least %s", i, minPollInterval))
	}
	return errors.Join(errs...)
}

// validateURL checks that tokens are sent to a named host only, and in clear
// text only where nobody listens in.
func (o AivenOptions) validateURL() error {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		// The error of url.Parse quotes all of the URL, a password included.
		return errors.New("--aiven-url: not a URL; use https://<host>")
	case u.User != nil:
		return errors.New("--aiven-url: must not hold a user or password")
	case u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("--aiven-url: %q must be a scheme and a host only, as in https://api.aiven.io", o.URL)
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return fmt.Errorf("--aiven-url: %q must start with https://", o.URL)
	case !o.AllowHTTP && !isLoopback(u.Hostname()):
		return fmt.Errorf("--aiven-url: %q would send tokens in clear text; use https, or --aiven-allow-http where that is acceptable", o.URL)
	}
	return nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func (o *Options) validateDefaultToken() error {
	t := o.DefaultToken
	if t.SecretName == "" {
		return nil
	}
	var errs []error
	if problems := validation.IsDNS1123Subdomain(t.SecretName); len(problems) > 0 {
		errs = append(errs, fmt.Errorf("--default-token-secret-name: %q: %s", t.SecretName, strings.Join(problems, "; ")))
	}
	if problems := validation.IsConfigMapKey(t.SecretKey); len(problems) > 0 {
		errs = append(errs, fmt.Errorf("--default-token-secret-key: %q: %s", t.SecretKey, strings.Join(problems, "; ")))
	}
	if o.Namespace == "" {
		errs = append(errs, errors.New("--default-token-secret-name: the Secret is read from the operator's namespace; set --namespace or POD_NAMESPACE"))
	}
	return errors.Join(errs...)
}

func (o LeaderElectionOptions) validate(namespace string, requestTimeout time.Duration) error {
	if !o.Enabled {
		return nil
	}
	var errs []error
	if namespace == "" {
		errs = append(errs, errors.New("--leader-elect: the Lease is in the operator's namespace; set --namespace or POD_NAMESPACE, or --leader-elect=false"))
	}
	if problems := validation.IsDNS1123Subdomain(o.LeaseName); len(problems) > 0 {
		errs = append(errs, fmt.Errorf("--leader-elect-resource-name: %q: %s", o.LeaseName, strings.Join(problems, "; ")))
	}
	if o.LeaseDuration < time.Second || o.LeaseDuration%time.Second != 0 {
		errs = append(errs, fmt.Errorf("--leader-elect-lease-duration: %s is not a whole number of seconds", o.LeaseDuration))
	}
	// A request that was sent in the last moment must have ended when another
	// process may begin.
	if o.RenewDeadline+requestTimeout > o.LeaseDuration {
		errs = append(errs, fmt.Errorf("--leader-elect-lease-duration: %s is less than --leader-elect-renew-deadline and --aiven-timeout together (%s)",
			o.LeaseDuration, o.RenewDeadline+requestTimeout))
	}
	// client-go compares what it reads of a Lease by its JSON, where times are whole
	// seconds: of two renewals within a second, others see one, and their wait ends
	// early.
	if o.RetryPeriod < time.Second {
		errs = append(errs, fmt.Errorf("--leader-elect-retry-period: %s is less than a second", o.RetryPeriod))
	} else if o.RenewDeadline <= o.RetryPeriod*6/5 { // the longest time between two tries
		errs = append(errs, fmt.Errorf("--leader-elect-retry-period: 1.2 times %s must be less than --leader-elect-renew-deadline (%s)",
			o.RetryPeriod, o.RenewDeadline))
	}
	return errors.Join(errs...)
}

func validateAddress(flag, address string) error {
	if address == addressOff {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("--%s: %q is not host:port, :port or 0: %w", flag, address, err)
	}
	return nil
}

func positive[T int | float32 | float64 | time.Duration](flag string, v T) error {
	if v > 0 {
		return nil
	}
	return fmt.Errorf("--%s: %v must be more than 0", flag, v)
}

// watched returns the namespaces to watch, sorted and without repetition.
func (o *Options) watched() []string {
	return slices.Compact(slices.Sorted(slices.Values(o.WatchNamespaces)))
}
