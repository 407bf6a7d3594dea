module github.com/bailiwick-operator/bailiwick/hack/userconfig

go 1.26.0

require (
	github.com/aiven/go-api-schemas v1.234.0
	go.yaml.in/yaml/v3 v3.0.6
)
