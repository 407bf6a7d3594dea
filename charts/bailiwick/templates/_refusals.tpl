{{/*
What can't be installed, and values of the aiven-operator's chart that mean something
else here. Each line says what to write instead. Those with the same meaning are taken:
see README.md.
*/}}
{{- define "bailiwick.refusals" -}}
{{- $v := .Values }}
{{- if not (or $v.aiven.enabled $v.openbao.enabled) }}
- aiven.enabled and openbao.enabled: one of them has to be true
{{- end }}
{{- if not (or $v.serviceAccount.create $v.serviceAccount.name) }}
- serviceAccount.create: with false, serviceAccount.name has to name an account that exists
{{- end }}
{{- if eq $v.serviceAccount.name "default" }}
- serviceAccount.name: the account "default" gets no rights, since every pod without an account of its own would have them
{{- end }}
{{- $plain := list "serviceAccount.name" $v.serviceAccount.name "the namespace of the release" .Release.Namespace "the name of the release" .Release.Name "priorityClassName" $v.priorityClassName }}
{{- range concat ($v.watchNamespaces | default list) ($v.watchedNamespaces | default list) }}{{ $plain = concat $plain (list "watchNamespaces" .) }}{{ end }}
{{- range $v.openbao.proveIdentities }}{{ $plain = concat $plain (list "openbao.proveIdentities" .namespace "openbao.proveIdentities" .cluster) }}{{ end }}
{{- range $v.servers.namespaces }}{{ $plain = concat $plain (list "servers.namespaces" .) }}{{ end }}
{{- range $i, $what := $plain }}
{{- if and (eq (mod $i 2) 0) (regexMatch "^(null|true|false|yes|no|on|off|y|n|[0-9.]+(e[0-9]+)?|0[xob][0-9a-f]+)$" (index $plain (add1 $i | int))) }}
- {{ $what }}: YAML takes {{ index $plain (add1 $i | int) }} for something else than a name; choose another one
{{- end }}
{{- end }}
{{- $watched := concat ($v.watchNamespaces | default list) ($v.watchedNamespaces | default list) }}
{{- range $v.openbao.proveIdentities }}
{{- if and $watched (not (has .namespace $watched)) }}
- openbao.proveIdentities: {{ .namespace }} is not one of watchNamespaces, outside of which the operator has no rights
{{- end }}
{{- end }}
{{- range $v.servers.namespaces }}
{{- if eq . $.Release.Namespace }}
- servers.namespaces: {{ . }} is the namespace of the operator, where a pod could act as the operator; use another one for servers
{{- else if and $watched (not (has . $watched)) }}
- servers.namespaces: {{ . }} is not one of watchNamespaces, outside of which the operator has no rights
{{- end }}
{{- end }}
{{- range $cluster, $audience := $v.openbao.legacyAudiences }}
{{- if or (regexMatch `['"\\[:cntrl:]]` $audience) (hasPrefix "https://kubernetes.default" $audience) }}
- openbao.legacyAudiences: {{ $cluster }} has an audience of the API server, or one that is none; every token for the first is a login to the cluster
{{- end }}
{{- end }}
{{- range list "app.kubernetes.io/name" "app.kubernetes.io/instance" }}
{{- if hasKey ($v.podLabels | default dict) . }}
- podLabels: {{ . }} is how the operator's pods are found
{{- end }}
{{- end }}
{{- if has $v.serviceAccount.name (list (printf "%s-bootstrapper" (include "bailiwick.fullname" .)) (printf "%s-decoy" (include "bailiwick.fullname" .)) (printf "%s-servers" (include "bailiwick.fullname" .))) }}
- serviceAccount.name: {{ $v.serviceAccount.name }} is an account of its own, with other rights
{{- end }}
{{- if and (not (include "bailiwick.leaderElection" .)) (gt (include "bailiwick.replicas" . | int) 1) }}
- {{ ternary "leaderElect" "leaderElection.enabled" (hasKey $v "leaderElect") }}: with false, replicas has to be 1; two operators at work would undo each other's changes
{{- end }}
{{- if and (not (include "bailiwick.leaderElection" .)) $v.openbao.enabled $v.servers.enabled (gt (include "bailiwick.serversReplicas" . | int) 1) }}
- {{ ternary "leaderElect" "leaderElection.enabled" (hasKey $v "leaderElect") }}: with false, servers.replicas has to be 1; two operators at work would undo each other's changes
{{- end }}
{{- if contains "aiven-operator" $v.image.repository }}
- image.repository: {{ $v.image.repository }} is the image of the aiven-operator; leave it out for that of Bailiwick
{{- end }}
{{- if and $v.metricsBindAddress (ne $v.metricsBindAddress ":8080") }}
- metricsBindAddress: metrics are at :8080 of the pod; leave it out, or turn them off with metrics.enabled=false
{{- end }}
{{- if and $v.healthProbeBindAddress (ne $v.healthProbeBindAddress ":8081") }}
- healthProbeBindAddress: probes are at :8081 of the pod; leave it out
{{- end }}
{{- with $v.webhooks }}{{ if ne (toString .enabled) "false" }}
- webhooks: there are none, since the API server itself checks objects by the schemas of the CRDs and by ValidatingAdmissionPolicies; leave it out, or set webhooks.enabled=false
{{- end }}{{ end }}
{{- with $v.autoscaling }}{{ if .enabled }}
- autoscaling.enabled: one replica works however many there are; use resources for more of it, and replicas=2 for one that takes over
{{- end }}{{ end }}
{{- with $v.clusterRole }}{{ if not .create }}
- clusterRole.create: is rbac.create here, and is about Roles too
{{- end }}{{ end }}
{{- with $v.logging }}
{{- if .level }}
- logging.level: is logVerbosity here, a number; use logVerbosity={{ eq .level "debug" | ternary 4 0 }} for {{ .level }}
{{- end }}
{{- if .encoder }}
- logging.encoder: is logFormat here; use logFormat={{ eq .encoder "console" | ternary "text" "json" }} for {{ .encoder }}
{{- end }}
{{- end }}
{{- if contains "@" $v.aiven.url }}
- aiven.url: it has no user and no password, which everybody who may read Deployments could read
{{- end }}
{{- range concat $v.extraEnv ($v.extraEnvs | default list) }}
{{- if and (eq .name "DEFAULT_AIVEN_TOKEN") (not (dig "valueFrom" "secretKeyRef" "" .)) }}
- extraEnv: DEFAULT_AIVEN_TOKEN would be a token in clear text, for everybody who may read Deployments; put it into a Secret, and name that in defaultTokenSecret
{{- else if and (hasKey . "value") (regexMatch "^[^/]*@|://[^/]*@" (toString .value)) }}
- extraEnv: {{ .name }} has a password in clear text, for everybody who may read Deployments; take the variable from a Secret, with valueFrom.secretKeyRef
{{- else if has .name (list "POD_NAME" "POD_NAMESPACE" "POD_SERVICE_ACCOUNT") }}
- extraEnv: {{ .name }} is what the pod says
{{- else if eq .name "WATCHED_NAMESPACES" }}
- extraEnv: WATCHED_NAMESPACES is watchNamespaces here, which is about rights too
{{- else if eq .name "AIVEN_WEB_URL" }}
- extraEnv: AIVEN_WEB_URL is aiven.url here
{{- end }}
{{- end }}
{{- $values := dict
  "namespace" "the namespace of the release"
  "service-account" "serviceAccount.name"
  "bootstrapper-service-account" "fullnameOverride"
  "decoy-service-account" "fullnameOverride"
  "servers-service-account" "fullnameOverride"
  "servers-cluster-role" "fullnameOverride"
  "authorizer-service-account" "serviceAccount.name"
  "deployment" "fullnameOverride"
  "leader-elect-resource-name" "fullnameOverride"
  "leader-elect" "leaderElection.enabled"
  "watch-namespaces" "watchNamespaces"
  "default-token-secret-name" "defaultTokenSecret.name"
  "default-token-secret-key" "defaultTokenSecret.key"
  "metrics-bind-address" "metrics.enabled"
  "health-bind-address" "left out"
  "aiven-url" "aiven.url"
  "poll-interval" "aiven.pollInterval"
  "proof-interval" "openbao.proofInterval"
  "openbao-legacy-audience" "openbao.legacyAudiences"
  "logging-format" "logFormat"
  "v" "logVerbosity"
  "kubeconfig" "serviceAccount.name"
  "shutdown-timeout" "35s, which fits terminationGracePeriodSeconds, so it is left out"
}}
{{- range $name, $list := dict "extraArgs" $v.extraArgs "servers.extraArgs" $v.servers.extraArgs }}
{{- range $list }}
{{- /* The operator takes _ for -, and -v6 for -v=6. */}}
{{- $flag := regexReplaceAll "(?s)^-+([^=]*).*$" . "${1}" | replace "_" "-" | trim }}
{{- if regexMatch "^-v[0-9]" . }}{{ $flag = "v" }}{{ end }}
{{- with get $values $flag }}
- {{ $name }}: --{{ $flag }} is {{ . }} here
{{- end }}
{{- end }}
{{- end }}
{{- end }}
