// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/bailiwick-operator/bailiwick/pkg/bootstrap"
	"github.com/bailiwick-operator/bailiwick/pkg/openbao"
	"github.com/bailiwick-operator/bailiwick/pkg/reconcile"
	"github.com/bailiwick-operator/bailiwick/pkg/token"
)

// Options configure the operator. NewOptions returns the defaults.
type Options struct {
	// Kubeconfig is the file that says how to reach the API server. Empty
	// means the service account of the pod.
	Kubeconfig string
	// RESTConfig, if set, is used in place of Kubeconfig.
	RESTConfig *rest.Config
	// KubeQPS and KubeBurst limit the requests to the API server, apart from
	// leases and events, which have clients of their own.
	KubeQPS   float32
	KubeBurst int

	// Deployment is the name of the operator's own Deployment, for the commands that
	// conditions print.
	Deployment string
	// Namespace is the operator's own namespace: of its lease and of the
	// Secret of the default token.
	Namespace string
	// ServiceAccount is the one that the operator runs as.
	ServiceAccount string
	OpenBao        OpenBaoOptions
	// Controllers selects kinds: "*", "Kafka", "-Kafka". "*" does not include
	// "OpenBaoServers".
	Controllers []string
	// WatchNamespaces are the only namespaces that are watched. Empty means
	// all.
	WatchNamespaces []string
	// PollInterval is how often every remote is compared with its object.
	PollInterval time.Duration
	// ShutdownTimeout is how long work under way may go on after a request to
	// stop.
	ShutdownTimeout time.Duration
	// ConcurrentSyncs is how many objects are reconciled in parallel for one token
	// or server.
	ConcurrentSyncs int

	Aiven          AivenOptions
	DefaultToken   DefaultTokenOptions
	LeaderElection LeaderElectionOptions

	// HealthBindAddress serves /healthz and /readyz, and MetricsBindAddress
	// /metrics. "0" turns a server off.
	HealthBindAddress  string
	MetricsBindAddress string
	// Profiling adds /debug/pprof to the metrics server.
	Profiling bool
	// OnListen, if set, is told the address that a server ("health",
	// "metrics") listens on.
	OnListen func(server string, addr net.Addr)
}

// AivenOptions say how to talk to the Aiven API.
type AivenOptions struct {
	// URL is the scheme and host of the API.
	URL string
	// AllowHTTP permits a plain http URL for any host, not only for loopback.
	AllowHTTP bool
	// QPS, Burst and Concurrency limit the requests of each token.
	QPS         float64
	Burst       int
	Concurrency int
	// RequestTimeout bounds one request.
	RequestTimeout time.Duration
	// VisibleWithin bounds how long what was created may be missing from the lists
	// of the API before its absence counts.
	VisibleWithin time.Duration
	// EventLogInterval is how often the event log of each project is read. 0
	// turns it off.
	EventLogInterval time.Duration
}

// OpenBaoOptions say how the authorization of OpenBao clusters is kept.
type OpenBaoOptions struct {
	// BootstrapperServiceAccount, in the operator's namespace, is who looks at
	// servers and repairs them. DecoyServiceAccount is one that no server may
	// let in.
	BootstrapperServiceAccount string
	DecoyServiceAccount        string
	// ServersServiceAccount, in the operator's namespace, is the account of the process
	// that runs the servers of OpenBao clusters. On these servers it is the identity
	// openbao-operator.
	ServersServiceAccount string
	// AuthorizerServiceAccount, in the operator's namespace, is the account of the process
	// that authorizes the servers and proves identities. Empty means that of this process.
	AuthorizerServiceAccount string
	// ServersClusterRole has the rights that the process with the servers needs in a
	// namespace in which it runs some.
	ServersClusterRole string
	// JobImage is the image that Jobs run on the volumes of servers. Empty means that of
	// this pod, which PodName names.
	JobImage, PodName string
	// ProofInterval is how often every identity is proved.
	ProofInterval time.Duration
	// AllowLocalAddresses permits servers at loopback and link-local addresses.
	AllowLocalAddresses bool
	// Resolver, if set, looks up the hosts of servers in place of the process's own.
	Resolver *net.Resolver
	// Connect, if set, makes the clients of servers in place of openbao.New.
	Connect func(openbao.Options) (openbao.Interface, error)
	// Probe, if set, asks a server what it is in place of openbao.ProbeNode.
	Probe func(context.Context, openbao.Options) (openbao.Node, error)
	// LegacyAudiences are audiences, by "namespace/name" of an OpenBaoCluster, that
	// its roles accept because an earlier version wrote them.
	LegacyAudiences map[string]string
}

// DefaultTokenOptions name the token of objects without authSecretRef.
type DefaultTokenOptions struct {
	// SecretName and SecretKey name the Secret in the operator's namespace.
	SecretName string
	SecretKey  string
	// Value is the token itself, from the environment. It is used only when
	// SecretName is empty.
	Value token.Value
}

// LeaderElectionOptions configure the election by Lease.
type LeaderElectionOptions struct {
	// Enabled is false for a process that is the only one by other means.
	Enabled bool
	// LeaseName is the name of the Lease in the operator's namespace.
	LeaseName string
	// LeaseDuration is how long others wait for a leader that went silent. The
	// leader stops after RenewDeadline without a renewal, and renews every
	// RetryPeriod.
	LeaseDuration time.Duration
	RenewDeadline time.Duration
	RetryPeriod   time.Duration
}

// NewOptions returns the defaults.
func NewOptions() *Options {
	return &Options{
		Deployment: "bailiwick",
		// A few writes per object and thousands of objects: the API server
		// shares itself out by priority and fairness, so the client's limit is
		// there to stop a runaway, not to pace normal work.
		KubeQPS:         1000,
		KubeBurst:       1000,
		ServiceAccount:  "bailiwick",
		Controllers:     []string{"*"},
		PollInterval:    10 * time.Minute,
		ShutdownTimeout: 35 * time.Second,
		ConcurrentSyncs: 32,
		Aiven: AivenOptions{
			URL:              "https://api.aiven.io",
			QPS:              200,
			Burst:            200,
			Concurrency:      16,
			RequestTimeout:   10 * time.Second,
			VisibleWithin:    reconcile.DefaultVisibleWithin,
			EventLogInterval: 15 * time.Second,
		},
		OpenBao: OpenBaoOptions{
			BootstrapperServiceAccount: "bailiwick-bootstrapper",
			DecoyServiceAccount:        "bailiwick-decoy",
			ServersServiceAccount:      "bailiwick-servers",
			ServersClusterRole:         "bailiwick-servers-namespace",
			ProofInterval:              bootstrap.DefaultProofInterval,
		},
		DefaultToken: DefaultTokenOptions{SecretKey: "token"},
		LeaderElection: LeaderElectionOptions{
			Enabled:       true,
			LeaseName:     "bailiwick",
			LeaseDuration: 30 * time.Second,
			RenewDeadline: 15 * time.Second,
			RetryPeriod:   3 * time.Second,
		},
		HealthBindAddress:  ":8081",
		MetricsBindAddress: ":8080",
	}
}

// AddFlags binds the options to flags. Their values so far become the defaults.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig, "Kubeconfig file of the API server. The default is the service account of the pod.")
	fs.Float32Var(&o.KubeQPS, "kube-api-qps", o.KubeQPS, "Requests per second to the API server.")
	fs.IntVar(&o.KubeBurst, "kube-api-burst", o.KubeBurst, "Requests to the API server that may be sent in a burst.")

	fs.StringVar(&o.Deployment, "deployment", o.Deployment, "Name of the operator's own Deployment, for the commands that conditions print.")
	fs.StringVar(&o.Namespace, "namespace", o.Namespace, "The operator's own namespace, of its Lease and of the Secret of the default token. The default is that of the pod.")
	fs.StringVar(&o.ServiceAccount, "service-account", o.ServiceAccount, "ServiceAccount that the operator runs as; OpenBao knows it by this name.")
	fs.StringSliceVar(&o.Controllers, "controllers", o.Controllers, "Kinds to reconcile: '*' for all, 'Kafka' for one, '-Kafka' for all but one. 'OpenBaoServers', which runs the servers of OpenBao clusters, is not part of '*' and has to be named.")
	fs.StringSliceVar(&o.WatchNamespaces, "watch-namespaces", o.WatchNamespaces, "Comma-separated namespaces to watch. Default: all namespaces.")
	fs.DurationVar(&o.PollInterval, "poll-interval", o.PollInterval, "How often every remote is compared with its object.")
	fs.DurationVar(&o.ShutdownTimeout, "shutdown-timeout", o.ShutdownTimeout, "How long work under way may go on after a request to stop. Keep it below the pod's grace period.")
	fs.IntVar(&o.ConcurrentSyncs, "concurrent-syncs", o.ConcurrentSyncs, "How many objects are reconciled in parallel for one token or server.")

	fs.StringVar(&o.Aiven.URL, "aiven-url", o.Aiven.URL, "URL of the Aiven API.")
	fs.BoolVar(&o.Aiven.AllowHTTP, "aiven-allow-http", o.Aiven.AllowHTTP, "Permit a plain http URL for a host other than loopback. Tokens are then sent in clear text.")
	fs.Float64Var(&o.Aiven.QPS, "aiven-qps", o.Aiven.QPS, "Requests per second to Aiven, for each token.")
	fs.IntVar(&o.Aiven.Burst, "aiven-burst", o.Aiven.Burst, "Requests to Aiven that may be sent in a burst, for each token.")
	fs.IntVar(&o.Aiven.Concurrency, "aiven-concurrency", o.Aiven.Concurrency, "Requests to Aiven that may be under way, for each token.")
	fs.DurationVar(&o.Aiven.RequestTimeout, "aiven-timeout", o.Aiven.RequestTimeout, "Time limit of one request to Aiven.")
	fs.DurationVar(&o.Aiven.VisibleWithin, "aiven-visible-within", o.Aiven.VisibleWithin, "How long something that was created may be missing from Aiven's lists before it is created again.")
	fs.DurationVar(&o.Aiven.EventLogInterval, "event-log-interval", o.Aiven.EventLogInterval, "How often the event log of each Aiven project is read, to find changes before the next poll. 0 turns it off.")

	fs.StringVar(&o.DefaultToken.SecretName, "default-token-secret-name", o.DefaultToken.SecretName, "Secret in the operator's namespace with the Aiven token of objects without authSecretRef.")
	fs.StringVar(&o.DefaultToken.SecretKey, "default-token-secret-key", o.DefaultToken.SecretKey, "Key of that Secret.")

	fs.StringVar(&o.OpenBao.BootstrapperServiceAccount, "bootstrapper-service-account", o.OpenBao.BootstrapperServiceAccount, "ServiceAccount in the operator's namespace that reads the configuration of OpenBao servers, and repairs it in mode Enforce.")
	fs.StringVar(&o.OpenBao.DecoyServiceAccount, "decoy-service-account", o.OpenBao.DecoyServiceAccount, "ServiceAccount in the operator's namespace that serves as a decoy. No server may accept it; the operator checks this regularly.")
	fs.StringVar(&o.OpenBao.ServersServiceAccount, "servers-service-account", o.OpenBao.ServersServiceAccount, "ServiceAccount in the operator's namespace of the process that runs the servers of OpenBao clusters (--controllers=OpenBaoServers). These servers know it as the identity openbao-operator.")
	fs.StringVar(&o.OpenBao.AuthorizerServiceAccount, "authorizer-service-account", o.OpenBao.AuthorizerServiceAccount, "ServiceAccount in the operator's namespace of the process that authorizes OpenBao clusters (--controllers=OpenBaoCluster), for the commands that conditions print. The default is that of this process.")
	fs.StringVar(&o.OpenBao.ServersClusterRole, "servers-cluster-role", o.OpenBao.ServersClusterRole, "ClusterRole with the rights that running OpenBao servers in a namespace needs, for the commands that conditions print.")
	fs.StringVar(&o.OpenBao.JobImage, "job-image", o.OpenBao.JobImage, "Image of Bailiwick for the Jobs that work on the volumes of OpenBao servers. The default is that of this process's pod, which is read from the API server when it is needed.")
	fs.DurationVar(&o.OpenBao.ProofInterval, "proof-interval", o.OpenBao.ProofInterval, "How often every identity of an OpenBao cluster is proved by a login, and servers that Bailiwick runs are compared with their contract.")

	fs.BoolVar(&o.OpenBao.AllowLocalAddresses, "openbao-allow-local-addresses", o.OpenBao.AllowLocalAddresses, "Allow OpenBao servers at loopback and link-local addresses. Whoever may create an OpenBaoCluster can then reach what listens on the machine of this process. For tests on one machine.")
	fs.StringToStringVar(&o.OpenBao.LegacyAudiences, "openbao-legacy-audience", o.OpenBao.LegacyAudiences, "NAMESPACE/NAME=AUDIENCE: log in to the server of this OpenBaoCluster with the audience of an earlier version, until an admin token replaces it. The admission policy bailiwick-token-audiences has to allow it as well.")

	fs.BoolVar(&o.LeaderElection.Enabled, "leader-elect", o.LeaderElection.Enabled, "Enable leader election. Turn it off only where a second process can't exist.")
	fs.StringVar(&o.LeaderElection.LeaseName, "leader-elect-resource-name", o.LeaderElection.LeaseName, "Name of the Lease in the operator's namespace.")
	fs.DurationVar(&o.LeaderElection.LeaseDuration, "leader-elect-lease-duration", o.LeaderElection.LeaseDuration, "How long others wait for a leader that went silent, in whole seconds.")
	fs.DurationVar(&o.LeaderElection.RenewDeadline, "leader-elect-renew-deadline", o.LeaderElection.RenewDeadline, "How long the leader keeps working without a renewal of its Lease.")
	fs.DurationVar(&o.LeaderElection.RetryPeriod, "leader-elect-retry-period", o.LeaderElection.RetryPeriod, "How often the Lease is renewed or asked for.")

	fs.StringVar(&o.HealthBindAddress, "health-bind-address", o.HealthBindAddress, "Address of /healthz and /readyz. 0 turns them off.")
	fs.StringVar(&o.MetricsBindAddress, "metrics-bind-address", o.MetricsBindAddress, "Address of /metrics. 0 turns it off.")
	fs.BoolVar(&o.Profiling, "profiling", o.Profiling, "Serve /debug/pprof alongside /metrics.")
}

// variable is an environment variable that stands in for a flag.
type variable struct {
	name string
	// flag has precedence; where no flag says the same, help tells the meaning.
	flag, help string
	set        func(o *Options, value string)
}

// environment lists the variables that are read. Those that do not begin with
// POD_ are the aiven-operator's, so that its Deployments keep their settings.
func environment() []variable {
	return []variable{
		{"DEFAULT_AIVEN_TOKEN", "", "Aiven token of objects without authSecretRef, unless --default-token-secret-name is given", func(o *Options, v string) { o.DefaultToken.Value = token.NewValue(v) }},
		{"AIVEN_WEB_URL", "aiven-url", "", func(o *Options, v string) { o.Aiven.URL = v }},
		{"WATCHED_NAMESPACES", "watch-namespaces", "", func(o *Options, v string) { o.WatchNamespaces = splitList(v) }},
		{"POD_NAME", "", "Name of this pod, whose image Jobs run unless --job-image is given", func(o *Options, v string) { o.OpenBao.PodName = v }},
		{"POD_NAMESPACE", "namespace", "", func(o *Options, v string) { o.Namespace = v }},
		{"POD_SERVICE_ACCOUNT", "service-account", "", func(o *Options, v string) { o.ServiceAccount = v }},
	}
}

// ReadEnvironment takes the defaults of some flags from environment variables.
// Call it before flags are parsed. A variable that is blank counts as unset.
func (o *Options) ReadEnvironment(getenv func(name string) string) {
	for _, v := range environment() {
		if value := strings.TrimSpace(getenv(v.name)); value != "" {
			v.set(o, value)
		}
	}
}

// podNamespaceFile is where the kubelet says which namespace a pod is in.
const podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// completeNamespace finds the namespace of the pod, if nothing else named one.
func (o *Options) completeNamespace(file string) error {
	if o.Namespace != "" {
		return nil
	}
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	o.Namespace = strings.TrimSpace(string(raw))
	return err
}

// splitList splits a comma list and drops white space around its entries.
func splitList(list string) []string {
	entries := strings.Split(list, ",")
	for i := range entries {
		entries[i] = strings.TrimSpace(entries[i])
	}
	return entries
}
