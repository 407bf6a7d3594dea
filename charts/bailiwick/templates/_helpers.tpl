{{/*
The name of the objects, and the beginning of the names of further ones. It leaves
room for the longest of these, whose limit is 63.
*/}}
{{- define "bailiwick.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 45 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 45 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "bailiwick.serviceAccountName" -}}
{{- default (include "bailiwick.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{/* The labels by which the operator's pods are found. */}}
{{- define "bailiwick.selectorLabels" -}}
app.kubernetes.io/name: bailiwick
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Those of one of its processes, from a dict of "root" and "process". */}}
{{- define "bailiwick.processLabels" -}}
app.kubernetes.io/name: {{ .process.app }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "bailiwick.labels" -}}
{{ include "bailiwick.selectorLabels" . }}
{{ include "bailiwick.commonLabels" . }}
{{- end }}

{{- define "bailiwick.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "bailiwick.image" -}}
{{- $tag := .Values.image.tag }}
{{- if not (or $tag .Values.image.digest) }}{{ $tag = .Chart.AppVersion }}{{ end }}
{{- .Values.image.repository }}{{ with $tag }}:{{ . }}{{ end }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* A number, since the chart of the aiven-operator has another name for it. */}}
{{- define "bailiwick.replicas" -}}
{{- if hasKey .Values "replicaCount" }}{{ .Values.replicaCount | int }}{{ else }}{{ .Values.replicas | int }}{{ end }}
{{- end }}

{{- define "bailiwick.serversReplicas" -}}
{{- if hasKey .Values.servers "replicas" }}{{ .Values.servers.replicas | int }}{{ else }}{{ include "bailiwick.replicas" . }}{{ end }}
{{- end }}

{{/*
The operator's processes, each with a Deployment and an account of its own. "app" is the
label app.kubernetes.io/name of its pods.
*/}}
{{- define "bailiwick.processes" -}}
{{- $fullname := include "bailiwick.fullname" . }}
{{- $list := list (dict
  "name" $fullname "app" "bailiwick" "account" (include "bailiwick.serviceAccountName" .)
  "replicas" (include "bailiwick.replicas" . | int) "resources" .Values.resources
  "args" (include "bailiwick.args" . | fromYamlArray)) }}
{{- if and .Values.openbao.enabled .Values.servers.enabled }}
{{- $name := printf "%s-servers" $fullname }}
{{- $list = append $list (dict
  "name" $name "app" "bailiwick-servers" "account" $name
  "replicas" (include "bailiwick.serversReplicas" . | int) "resources" .Values.servers.resources
  "args" (include "bailiwick.serversArgs" . | fromYamlArray)) }}
{{- end }}
{{- $list | toYaml }}
{{- end }}

{{/* "true", or nothing. */}}
{{- define "bailiwick.leaderElection" -}}
{{- if ternary .Values.leaderElect .Values.leaderElection.enabled (hasKey .Values "leaderElect") }}true{{ end }}
{{- end }}

{{/* Joined by commas; nothing for all. */}}
{{- define "bailiwick.watchNamespaces" -}}
{{- concat (.Values.watchNamespaces | default list) (.Values.watchedNamespaces | default list) | uniq | join "," }}
{{- end }}

{{/* A list in CEL. */}}
{{- define "bailiwick.legacyAudiences" -}}
[{{ range $i, $audience := values .Values.openbao.legacyAudiences | uniq | sortAlpha }}{{ if $i }}, {{ end }}'{{ $audience }}'{{ end }}]
{{- end }}

{{/* The operator's arguments, one a line. */}}
{{- define "bailiwick.args" -}}
{{- $args := list (printf "--logging-format=%s" .Values.logFormat) }}
{{- if not .Values.openbao.enabled }}{{ $args = append $args "--controllers=*,-OpenBaoCluster" }}{{ end }}
{{- if not .Values.aiven.enabled }}{{ $args = append $args "--controllers=OpenBaoCluster" }}{{ end }}
{{- with include "bailiwick.watchNamespaces" . }}{{ $args = append $args (printf "--watch-namespaces=%s" .) }}{{ end }}
{{- with .Values.defaultTokenSecret.name }}
{{- $args = append $args (printf "--default-token-secret-name=%s" .) }}
{{- $args = append $args (printf "--default-token-secret-key=%s" $.Values.defaultTokenSecret.key) }}
{{- end }}
{{- with .Values.logVerbosity }}{{ $args = append $args (printf "-v=%d" (int .)) }}{{ end }}
{{- with .Values.aiven.url }}{{ $args = append $args (printf "--aiven-url=%s" .) }}{{ end }}
{{- with .Values.aiven.pollInterval }}{{ $args = append $args (printf "--poll-interval=%s" .) }}{{ end }}
{{- with .Values.openbao.proofInterval }}{{ $args = append $args (printf "--proof-interval=%s" .) }}{{ end }}
{{- range $cluster, $audience := .Values.openbao.legacyAudiences }}
{{- $args = append $args (printf "--openbao-legacy-audience=%s=%s" $cluster $audience) }}
{{- end }}
{{- if not .Values.metrics.enabled }}{{ $args = append $args "--metrics-bind-address=0" }}{{ end }}
{{- if not (include "bailiwick.leaderElection" .) }}{{ $args = append $args "--leader-elect=false" }}{{ end }}
{{- $fullname := include "bailiwick.fullname" . }}
{{- if ne $fullname "bailiwick" }}
{{- $args = append $args (printf "--deployment=%s" $fullname) }}
{{- $args = append $args (printf "--leader-elect-resource-name=%s" $fullname) }}
{{- $args = append $args (printf "--bootstrapper-service-account=%s-bootstrapper" $fullname) }}
{{- $args = append $args (printf "--decoy-service-account=%s-decoy" $fullname) }}
{{- $args = append $args (printf "--servers-service-account=%s-servers" $fullname) }}
{{- end }}
{{- concat $args .Values.extraArgs | toYaml }}
{{- end }}

{{/* The arguments of the process that runs OpenBao servers. */}}
{{- define "bailiwick.serversArgs" -}}
{{- $fullname := include "bailiwick.fullname" . }}
{{- $args := list (printf "--logging-format=%s" .Values.logFormat) "--controllers=OpenBaoServers" }}
{{- $args = append $args (printf "--deployment=%s-servers" $fullname) }}
{{- $args = append $args (printf "--leader-elect-resource-name=%s-servers" $fullname) }}
{{- $args = append $args (printf "--authorizer-service-account=%s" (include "bailiwick.serviceAccountName" .)) }}
{{- with include "bailiwick.watchNamespaces" . }}{{ $args = append $args (printf "--watch-namespaces=%s" .) }}{{ end }}
{{- with .Values.logVerbosity }}{{ $args = append $args (printf "-v=%d" (int .)) }}{{ end }}
{{- if not .Values.metrics.enabled }}{{ $args = append $args "--metrics-bind-address=0" }}{{ end }}
{{- if not (include "bailiwick.leaderElection" .) }}{{ $args = append $args "--leader-elect=false" }}{{ end }}
{{- if ne $fullname "bailiwick" }}
{{- $args = append $args (printf "--bootstrapper-service-account=%s-bootstrapper" $fullname) }}
{{- $args = append $args (printf "--decoy-service-account=%s-decoy" $fullname) }}
{{- $args = append $args (printf "--servers-service-account=%s-servers" $fullname) }}
{{- $args = append $args (printf "--servers-cluster-role=%s-servers-namespace" $fullname) }}
{{- end }}
{{- concat $args .Values.servers.extraArgs | toYaml }}
{{- end }}
