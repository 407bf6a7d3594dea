// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package serverconfig

import (
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime"
)

// texts records the texts in a part of the spec that no configuration file can hold:
// those with a NUL character or with bytes that are not UTF-8. Raw JSON is left to
// who decodes it.
func (p *problems) texts(field string, value reflect.Value) {
	if value.Type() == reflect.TypeFor[runtime.RawExtension]() {
		return
	}
	switch value.Kind() {
	case reflect.Pointer:
		if !value.IsNil() {
			p.texts(field, value.Elem())
		}
	case reflect.Struct:
		for i := range value.NumField() {
			name, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
			p.texts(field+"."+name, value.Field(i))
		}
	case reflect.Slice:
		for i := range value.Len() {
			p.texts(fmt.Sprintf("%s[%d]", field, i), value.Index(i))
		}
	case reflect.String:
		if !printable(value.String()) {
			p.add(field, "a configuration file holds no NUL character and nothing but UTF-8; remove what is not")
		}
	}
}

func printable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
