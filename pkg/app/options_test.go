// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// parse returns the options of a process with this environment and these flags.
func parse(t *testing.T, env map[string]string, args ...string) (*Options, error) {
	t.Helper()
	o := NewOptions()
	o.ReadEnvironment(func(name string) string { return env[name] })
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	o.AddFlags(fs)
	return o, fs.Parse(args)
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		// want is part of the error, "" for none.
		want string
	}{
		"defaults":                   {},
		"all kinds but one":          {args: []string{"--controllers=*,-Kafka"}},
		"kind in lower case":         {args: []string{"--controllers=kafka,openbaocluster"}},
		"unknown kind":               {[]string{"--controllers=Kafkaa,*"}, `unknown kind "Kafkaa"; known are Clickhouse, `},
		"nothing left":               {[]string{"--controllers=Kafka,-Kafka"}, "selects no kind"},
		"namespaces":                 {args: []string{"--watch-namespaces=a,b", "--watch-namespaces=c"}},
		"bad namespace":              {[]string{"--watch-namespaces=a,Team_B"}, `--watch-namespaces: "Team_B"`},
		"empty namespace":            {[]string{"--watch-namespaces=a,,b"}, `--watch-namespaces: ""`},
		"short poll for tests":       {args: []string{"--poll-interval=100ms"}},
		"poll without unit":          {[]string{"--poll-interval=10ms"}, "--poll-interval: 10ms is less than 100ms"},
		"event log off":              {args: []string{"--event-log-interval=0"}},
		"event log negative":         {[]string{"--event-log-interval=-1s"}, "--event-log-interval"},
		"loopback over http":         {args: []string{"--aiven-url=http://127.0.0.1:8080"}},
		"loopback v6 over http":      {args: []string{"--aiven-url=http://[::1]:8080/"}},
		"localhost over http":        {args: []string{"--aiven-url=http://localhost:8080"}},
		"other host over http":       {[]string{"--aiven-url=http://sim.default.svc"}, "clear text"},
		"localhost as prefix":        {[]string{"--aiven-url=http://localhost.example.com"}, "clear text"},
		"http allowed":               {args: []string{"--aiven-url=http://sim.default.svc", "--aiven-allow-http"}},
		"url without scheme":         {[]string{"--aiven-url=api.aiven.io"}, "--aiven-url"},
		"url with path":              {[]string{"--aiven-url=https://api.aiven.io/v1"}, "scheme and a host only"},
		"url of another scheme":      {[]string{"--aiven-url=ftp://api.aiven.io"}, "must start with https://"},
		"url with a user":            {[]string{"--aiven-url=https://me:hunter2@api.aiven.io"}, "must not hold a user"},
		"no requests":                {[]string{"--aiven-qps=0"}, "--aiven-qps: 0 must be more than 0"},
		"timeout beyond a sync":      {[]string{"--aiven-timeout=26s", "--leader-elect-lease-duration=60s"}, "one sync may take"},
		"timeout beyond lease":       {[]string{"--aiven-timeout=16s"}, "--leader-elect-lease-duration: 30s is less than"},
		"lease in fractions":         {[]string{"--leader-elect-lease-duration=30500ms"}, "whole number of seconds"},
		"deployment":                 {[]string{"--deployment=a b"}, "--deployment"},
		"audience of the API server": {[]string{"--openbao-legacy-audience=a/b=https://kubernetes.default.svc"}, "is an audience of the API server"},
		"retry within a second":      {[]string{"--leader-elect-retry-period=999ms"}, "--leader-elect-retry-period: 999ms is less than a second"},
		"retry beyond deadline":      {[]string{"--leader-elect-retry-period=13s"}, "--leader-elect-retry-period"},
		"no election, any lease":     {args: []string{"--leader-elect=false", "--leader-elect-lease-duration=1ms"}},
		"default token":              {args: []string{"--default-token-secret-name=aiven-token"}},
		"default token no key":       {[]string{"--default-token-secret-name=t", "--default-token-secret-key="}, "--default-token-secret-key"},
		"default token bad name":     {[]string{"--default-token-secret-name=A_b"}, "--default-token-secret-name"},
		"default token homeless":     {[]string{"--default-token-secret-name=t", "--namespace="}, "--default-token-secret-name: the Secret is read from"},
		"lease homeless":             {[]string{"--namespace="}, "--leader-elect: the Lease is in"},
		"bootstrapper homeless":      {[]string{"--namespace=", "--leader-elect=false"}, "--namespace: OpenBaoCluster needs"},
		"nobody needs a home":        {args: []string{"--namespace=", "--leader-elect=false", "--controllers=-OpenBaoCluster"}},
		"health off":                 {args: []string{"--health-bind-address=0", "--metrics-bind-address=0"}},
		"health without port":        {[]string{"--health-bind-address=127.0.0.1"}, "--health-bind-address"},
		"bad port":                   {[]string{"--metrics-bind-address=:99999"}, "--metrics-bind-address"},
		"kube burst":                 {[]string{"--kube-api-burst=-1"}, "--kube-api-burst"},
		"decoy that works":           {[]string{"--decoy-service-account=bailiwick"}, "--decoy-service-account: \"bailiwick\" is an account that works"},
		"decoy that repairs":         {[]string{"--decoy-service-account=x", "--bootstrapper-service-account=x"}, "--decoy-service-account"},
		"one account for both":       {[]string{"--bootstrapper-service-account=me", "--service-account=me"}, "--bootstrapper-service-account: \"me\" is --service-account"},
		"bad bootstrapper":           {[]string{"--bootstrapper-service-account=A_b"}, "--bootstrapper-service-account: \"A_b\""},
		"bad authorizer":             {[]string{"--authorizer-service-account=A_b"}, "--authorizer-service-account: \"A_b\""},
		"authorizer that is none":    {[]string{"--authorizer-service-account=bailiwick-decoy"}, "--authorizer-service-account: \"bailiwick-decoy\" is the account"},
		"bad cluster role":           {[]string{"--servers-cluster-role=A_b"}, "--servers-cluster-role: \"A_b\""},
		"proofs all the time":        {[]string{"--proof-interval=1ms"}, "--proof-interval: 1ms is less than 100ms"},
		"no time to drain":           {[]string{"--shutdown-timeout=0"}, "--shutdown-timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := parse(t, map[string]string{"POD_NAMESPACE": "bailiwick-system"}, tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			err = o.Validate()
			if tc.want == "" {
				if err != nil {
					t.Errorf("got error: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a password: %v", err)
			}
		})
	}
}

func TestValidateReportsAll(t *testing.T) {
	o, err := parse(t, nil, "--poll-interval=1ms", "--aiven-qps=-1", "--watch-namespaces=A", "--controllers=Nope", "--health-bind-address=x")
	if err != nil {
		t.Fatal(err)
	}
	err = o.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, flag := range []string{"--poll-interval", "--aiven-qps", "--watch-namespaces", "--controllers", "--health-bind-address", "--leader-elect"} {
		if !strings.Contains(err.Error(), flag+":") {
			t.Errorf("%s is not reported in:\n%v", flag, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	env := map[string]string{
		"DEFAULT_AIVEN_TOKEN": " from-env\n",
		"AIVEN_WEB_URL":       "https://aiven.example.com",
		"WATCHED_NAMESPACES":  "a, b",
		"POD_NAMESPACE":       "home",
		"POD_SERVICE_ACCOUNT": "me",
	}
	o, err := parse(t, env)
	if err != nil {
		t.Fatal(err)
	}
	if got := o.DefaultToken.Value.Reveal(); got != "from-env" {
		t.Errorf("default token %q", got)
	}
	if o.Aiven.URL != "https://aiven.example.com" || o.Namespace != "home" || o.ServiceAccount != "me" {
		t.Errorf("got %q, %q, %q", o.Aiven.URL, o.Namespace, o.ServiceAccount)
	}
	if got := o.watched(); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("namespaces %q", got)
	}

	o, err = parse(t, env, "--aiven-url=https://flag.example.com", "--watch-namespaces=c", "--namespace=flag", "--service-account=flag")
	if err != nil {
		t.Fatal(err)
	}
	if o.Aiven.URL != "https://flag.example.com" || o.Namespace != "flag" || o.ServiceAccount != "flag" {
		t.Errorf("the environment overrides flags: %q, %q, %q", o.Aiven.URL, o.Namespace, o.ServiceAccount)
	}
	if got := o.watched(); !reflect.DeepEqual(got, []string{"c"}) {
		t.Errorf("namespaces %q", got)
	}

	o, err = parse(t, map[string]string{"WATCHED_NAMESPACES": " "})
	if err != nil {
		t.Fatal(err)
	}
	if got := o.watched(); len(got) != 0 {
		t.Errorf("a blank variable counts: %q", got)
	}
}

// The help must name every variable and never show a value.
func TestEnvironmentHelp(t *testing.T) {
	t.Setenv("DEFAULT_AIVEN_TOKEN", "hunter2")
	cmd := NewCommand()
	help := cmd.Long + cmd.UsageString()
	for _, v := range environment() {
		if !strings.Contains(help, v.name) {
			t.Errorf("%s is not documented", v.name)
		}
		if v.flag != "" && cmd.Flags().Lookup(v.flag) == nil {
			t.Errorf("%s stands for --%s, which does not exist", v.name, v.flag)
		}
	}
	if strings.Contains(help, "hunter2") {
		t.Error("the help shows the default token")
	}
}

func TestCompleteNamespace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "namespace")
	if err := os.WriteFile(file, []byte("from-pod\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ given, file, want string }{
		{"", file, "from-pod"},
		{"given", file, "given"},
		{"", file + ".absent", ""},
	} {
		o := &Options{Namespace: tc.given}
		if err := o.completeNamespace(tc.file); err != nil || o.Namespace != tc.want {
			t.Errorf("%+v: got %q, %v", tc, o.Namespace, err)
		}
	}
}

func TestSelectKinds(t *testing.T) {
	known := []string{"Kafka", "KafkaTopic", "OpenBaoCluster", "OpenBaoServers"}
	off := []string{"OpenBaoServers"}
	for asked, want := range map[string]string{
		"*":                 "Kafka,KafkaTopic,OpenBaoCluster",
		"*,-kafka":          "KafkaTopic,OpenBaoCluster",
		"-Kafka,*":          "KafkaTopic,OpenBaoCluster",
		"-Kafka":            "KafkaTopic,OpenBaoCluster",
		"kafkatopic":        "KafkaTopic",
		"OpenBaoCluster":    "OpenBaoCluster",
		"KafkaTopic,Kafka":  "Kafka,KafkaTopic",
		"KafkaTopic,-Kafka": "KafkaTopic",
		"-Kafka,Kafka,*":    "KafkaTopic,OpenBaoCluster",
		" Kafka ":           "Kafka",
		// What is off by default is on where it is named, and nowhere else.
		"OpenBaoServers":                   "OpenBaoServers",
		"openbaoservers,Kafka":             "Kafka,OpenBaoServers",
		"*,OpenBaoServers":                 "Kafka,KafkaTopic,OpenBaoCluster,OpenBaoServers",
		"*,-OpenBaoServers":                "Kafka,KafkaTopic,OpenBaoCluster",
		"-OpenBaoServers":                  "Kafka,KafkaTopic,OpenBaoCluster",
		"*,OpenBaoServers,-OpenBaoServers": "Kafka,KafkaTopic,OpenBaoCluster",
	} {
		got, err := selectKinds(known, off, strings.Split(asked, ","))
		if err != nil || strings.Join(got, ",") != want {
			t.Errorf("%q: got %q, %v, want %q", asked, got, err, want)
		}
	}
	for _, asked := range []string{"", "-", "Kafk", "*,-Nope", "Kafka,-Kafka", "OpenBaoServers,-OpenBaoServers"} {
		if got, err := selectKinds(known, off, strings.Split(asked, ",")); err == nil {
			t.Errorf("%q: got %q and no error", asked, got)
		}
	}
}

// The defaults must fit each other, and the pod that the manifests describe.
func TestDefaultTimes(t *testing.T) {
	o := NewOptions()
	const gracePeriod = 40 * time.Second // manifests/base/deployment.yaml
	if o.ShutdownTimeout >= gracePeriod {
		t.Errorf("work may go on for %s, the pod is killed after %s", o.ShutdownTimeout, gracePeriod)
	}
}

// The account that proves identities is this process's, unless a flag names that of another
// process.
func TestAuthorizerAccount(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"one process":       {[]string{"--controllers=*,OpenBaoServers", "--servers-service-account=bailiwick"}, "pods-own"},
		"two processes":     {[]string{"--controllers=OpenBaoServers", "--authorizer-service-account=quokka"}, "quokka"},
		"the first of two":  {nil, "pods-own"},
		"as a flag says so": {[]string{"--service-account=numbat"}, "numbat"},
	} {
		o, err := parse(t, map[string]string{"POD_NAMESPACE": "bailiwick-system", "POD_SERVICE_ACCOUNT": "pods-own"}, tc.args...)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := o.authorizerAccount(); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
