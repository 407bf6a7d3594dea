// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package aivensim

import "fmt"

// Endpoints without a server behind them have a host in .invalid, which never
// resolves, and ports in blocks of this size.
const portBlock = 16

// place gives a service its host and port. The lock is held.
func (s *Server) place(sv *Service) error {
	if sv.Type == "pg" && s.postgres != nil {
		front, err := s.postgres.newFront(sv)
		if err != nil {
			return err
		}
		sv.front, sv.Host, sv.Port = front, loopback, front.port
		return nil
	}
	s.ids++
	sv.Host = fmt.Sprintf("%s-%s.aivensim.invalid", sv.Name, sv.Project)
	sv.Port = 10000 + int(s.ids*portBlock%50000)
	return nil
}

// displace ends what place started.
func (s *Server) displace(sv *Service) {
	if sv.front != nil {
		sv.front.shut()
	}
}

// placePool gives a connection pool its port.
func (s *Server) placePool(sv *Service, p *Pool) error {
	if sv.front != nil {
		port, err := sv.front.addPool(p.Name)
		if err != nil {
			return err
		}
		p.Port = port
		return nil
	}
	s.ids++
	p.Port = 10000 + int(s.ids*portBlock%50000)
	return nil
}

// displacePool ends what placePool started.
func (s *Server) displacePool(sv *Service, p *Pool) {
	if sv.front != nil {
		sv.front.removePool(p.Name)
	}
}
