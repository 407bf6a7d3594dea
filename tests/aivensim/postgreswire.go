// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// Codes of the first message of a PostgreSQL connection (protocol 3.0, "Message
// Formats").
const (
	codeSSL    = 80877103
	codeGSSENC = 80877104
	codeCancel = 80877102

	maxStartup = 10000
)

var errPlaintext = errors.New("the client does not ask for TLS")

// acceptTLS answers the requests for encryption that precede a session. A
// client that does not ask for TLS is refused, as Aiven does.
func acceptTLS(conn net.Conn, config *tls.Config) (net.Conn, error) {
	for {
		var head [8]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return nil, err
		}
		switch binary.BigEndian.Uint32(head[4:]) {
		case codeSSL:
			if _, err := conn.Write([]byte("S")); err != nil {
				return nil, err
			}
			secure := tls.Server(conn, config)
			if err := secure.Handshake(); err != nil {
				return nil, err
			}
			return secure, nil
		case codeGSSENC:
			if _, err := conn.Write([]byte("N")); err != nil {
				return nil, err
			}
		default:
			refuse(conn, "28000", "no pg_hba.conf entry for the host, no encryption")
			return nil, errPlaintext
		}
	}
}

// startup is the first message of a session, or a request to cancel a query.
type startup struct {
	code   uint32
	params map[string]string
	order  []string
	raw    []byte
}

func readStartup(r io.Reader) (*startup, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:4])
	if size < 8 || size > maxStartup {
		return nil, errors.New("startup message of an impossible size")
	}
	s := &startup{code: binary.BigEndian.Uint32(head[4:]), raw: make([]byte, size-8), params: map[string]string{}}
	if _, err := io.ReadFull(r, s.raw); err != nil {
		return nil, err
	}
	if s.code == codeCancel {
		return s, nil
	}
	fields := bytes.Split(s.raw, []byte{0})
	for i := 0; i+1 < len(fields) && len(fields[i]) > 0; i += 2 {
		name := string(fields[i])
		s.params[name] = string(fields[i+1])
		s.order = append(s.order, name)
	}
	return s, nil
}

func (s *startup) encode() []byte {
	body := s.raw
	if s.code != codeCancel {
		var b bytes.Buffer
		for _, name := range s.order {
			b.WriteString(name)
			b.WriteByte(0)
			b.WriteString(s.params[name])
			b.WriteByte(0)
		}
		b.WriteByte(0)
		body = b.Bytes()
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)+8))
	out = binary.BigEndian.AppendUint32(out, s.code)
	return append(out, body...)
}

// refuse sends a FATAL error; the caller closes the connection.
func refuse(w io.Writer, code, text string) {
	var b bytes.Buffer
	for _, field := range []string{"SFATAL", "VFATAL", "C" + code, "M" + text} {
		b.WriteString(field)
		b.WriteByte(0)
	}
	b.WriteByte(0)
	out := binary.BigEndian.AppendUint32([]byte{'E'}, uint32(b.Len()+4))
	_, _ = w.Write(append(out, b.Bytes()...)) // the client may be gone
}
