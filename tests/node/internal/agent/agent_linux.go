// Copyright The Bailiwick Authors.
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// cgroupRoot is where the kernel's control groups are.
const cgroupRoot = "/sys/fs/cgroup"

// An agent must be one before it does anything that the binary does otherwise,
// such as running tests: those would start agents again.
func init() {
	if len(os.Args) == 2 && os.Args[0] == programName {
		if err := runAgent(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

func procAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		// Out of reach of the terminal's signals: the agent ends with its owner.
		Setsid: true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
}

// TryNamespaces tells whether this process may make the namespaces of an agent.
func TryNamespaces() error {
	program, err := exec.LookPath("true")
	if err != nil {
		return err
	}
	cmd := exec.Command(program)
	cmd.SysProcAttr = procAttr()
	return cmd.Run()
}

// socketPair returns a connection and its other end, for a child.
func socketPair() (net.Conn, *os.File, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	mine, theirs := os.NewFile(uintptr(pair[0]), "owner"), os.NewFile(uintptr(pair[1]), "agent")
	defer mine.Close()
	conn, err := net.FileConn(mine)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn, theirs, nil
}

// runAgent is the life of an agent, the first process of its namespaces.
func runAgent(argument string) (err error) {
	// What it prints may have lost its reader.
	signal.Ignore(syscall.SIGPIPE)
	var spec Spec
	if err := json.Unmarshal([]byte(argument), &spec); err != nil {
		return err
	}
	// The connection, and locks that end with the agent: nothing for its programs.
	owner := os.NewFile(3, "owner")
	for fd := 3; fd < 8; fd++ {
		syscall.CloseOnExec(fd)
	}
	conn, err := net.FileConn(owner)
	if err != nil {
		return err
	}
	if err := owner.Close(); err != nil {
		return err
	}

	s := &supervisor{children: map[int]*child{}}
	stop := s.reap()
	defer func() {
		err = errors.Join(err, s.removeAll(spec))
		stop()
	}()
	if err := setUp(spec); err != nil {
		return err
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Agent", s); err != nil {
		return err
	}
	// The server itself returns only when all calls are answered, and those that wait
	// for programs are not before the programs are ended.
	gone := make(chan struct{})
	go server.ServeConn(&connection{Conn: conn, gone: gone})
	<-gone
	return nil
}

// connection tells when its other end is gone: the owner has closed it, or is dead.
type connection struct {
	net.Conn
	gone chan struct{}
	once sync.Once
}

func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		c.once.Do(func() { close(c.gone) })
	}
	return n, err
}

// setUp makes the agent's namespaces a machine.
func setUp(spec Spec) error {
	mounts := []struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}{
		// Nothing that is mounted from here on is seen outside; all of it is seen in
		// the containers that ask for it.
		{"none", "/", "", syscall.MS_REC | syscall.MS_PRIVATE, ""},
		{"none", "/", "", syscall.MS_REC | syscall.MS_SHARED, ""},
		{"proc", "/proc", "proc", syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC, ""},
	}
	for _, folder := range Private {
		mounts = append(mounts, struct {
			source, target, kind string
			flags                uintptr
			data                 string
		}{"none", folder, "tmpfs", 0, "mode=755"})
	}
	for _, m := range mounts {
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mounting %s: %w", m.target, err)
		}
	}
	if err := syscall.Sethostname([]byte(spec.Hostname)); err != nil {
		return fmt.Errorf("naming the machine: %w", err)
	}
	for file, value := range map[string]string{
		"net/ipv4/ip_forward":                "1",
		"net/ipv4/conf/all/rp_filter":        "0",
		"net/bridge/bridge-nf-call-iptables": "1",
	} {
		if err := os.WriteFile(filepath.Join("/proc/sys", file), []byte(value), 0o600); err != nil {
			return fmt.Errorf("setting up the network: %w", err)
		}
	}
	return makeCgroups(spec.Cgroup)
}

// hierarchies returns the folders in which a control group has to be made: one for
// each controller, or one for all where the machine has the unified hierarchy.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}, nil
	}
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, entry := range entries {
		// Others are links to these.
		if entry.IsDir() {
			folders = append(folders, filepath.Join(cgroupRoot, entry.Name()))
		}
	}
	return folders, nil
}

// makeCgroups makes the control group below which kubelet makes its own.
func makeCgroups(name string) error {
	folders, err := hierarchies()
	if err != nil {
		return err
	}
	for _, parent := range folders {
		folder := filepath.Join(parent, name)
		if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making a control group: %w", err)
		}
		// A new cpuset is empty, and takes no process until it has these.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			content, err := os.ReadFile(filepath.Join(parent, file))
			// In the unified hierarchy it has those of its parent.
			if errors.Is(err, fs.ErrNotExist) || parent == cgroupRoot {
				continue
			}
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(folder, file), content, 0o600); err != nil {
				return fmt.Errorf("setting up a control group: %w", err)
			}
		}
		if parent != cgroupRoot {
			continue
		}
		for _, level := range []string{parent, folder} {
			for _, controller := range []string{"+cpu", "+cpuset", "+memory", "+pids", "+io", "+hugetlb"} {
				// kubelet tells which of those that it needs is missing.
				_ = os.WriteFile(filepath.Join(level, "cgroup.subtree_control"), []byte(controller), 0o600)
			}
		}
	}
	return nil
}

// RemoveCgroups removes a control group and all below it. Processes that were
// killed hold theirs for a moment.
func RemoveCgroups(name string) error {
	folders, err := hierarchies()
	if err != nil {
		return err
	}
	var errs []error
	for _, parent := range folders {
		for attempt := 0; ; attempt++ {
			err := removeEmptyTree(filepath.Join(parent, name))
			if err == nil {
				break
			}
			if !errors.Is(err, syscall.EBUSY) || attempt == 200 {
				errs = append(errs, err)
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return errors.Join(errs...)
}

// removeEmptyTree removes folders, deepest first. Files of a control group are no
// obstacle to that.
func removeEmptyTree(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeEmptyTree(filepath.Join(path, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := syscall.Rmdir(path); err != nil {
		return &fs.PathError{Op: "rmdir", Path: path, Err: err}
	}
	return nil
}

// supervisor starts and waits for the programs of a machine. Its exported methods
// are what the owner calls.
type supervisor struct {
	mu       sync.Mutex
	children map[int]*child
	// ending refuses new programs.
	ending bool
}

// child is a program that the owner may ask for.
type child struct {
	ended  chan struct{}
	status syscall.WaitStatus
}

// reap waits for all processes that end, orphans too, until the function that it
// returns is called.
func (s *supervisor) reap() (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGCHLD)
	var reaper sync.WaitGroup
	done := make(chan struct{})
	reaper.Go(func() {
		for {
			select {
			case <-signals:
				for s.reapOne() {
				}
			case <-done:
				return
			}
		}
	})
	return func() {
		signal.Stop(signals)
		close(done)
		reaper.Wait()
	}
}

// reapOne waits for a process that has ended, and tells whether there was one.
func (s *supervisor) reapOne() bool {
	// While a program starts, it is not known yet whose it is.
	s.mu.Lock()
	defer s.mu.Unlock()
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
	if errors.Is(err, syscall.EINTR) {
		return true
	}
	if err != nil || pid <= 0 {
		return false
	}
	if c := s.children[pid]; c != nil {
		c.status = status
		close(c.ended)
	}
	return true
}

// fork starts a program with these files as its first.
func (s *supervisor) fork(path string, args []string, files ...*os.File) (int, *child, error) {
	fds := make([]uintptr, len(files))
	for i, file := range files {
		fds[i] = file.Fd()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return 0, nil, errors.New("the machine is going down")
	}
	pid, err := syscall.ForkExec(path, append([]string{path}, args...), &syscall.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: fds, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return 0, nil, fmt.Errorf("starting %s: %w", path, err)
	}
	c := &child{ended: make(chan struct{})}
	s.children[pid] = c
	return pid, c, nil
}

func (s *supervisor) forget(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.children, pid)
}

// Ping answers once the machine is set up.
func (s *supervisor) Ping(struct{}, *struct{}) error { return nil }

// Start starts a program that goes on, and answers with its id.
func (s *supervisor) Start(request StartRequest, pid *int) error {
	log, err := os.OpenFile(request.LogFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	*pid, _, err = s.fork(request.Path, request.Args, null, log, log)
	return err
}

// Wait answers when a program that was started has ended, with how it did. It
// answers once.
func (s *supervisor) Wait(pid int, status *string) error {
	s.mu.Lock()
	c := s.children[pid]
	s.mu.Unlock()
	if c == nil {
		return fmt.Errorf("no program has the id %d", pid)
	}
	<-c.ended
	s.forget(pid)
	*status = describe(c.status)
	return nil
}

// Signal sends a signal to the process group of a program that was started.
func (s *supervisor) Signal(request SignalRequest, _ *struct{}) error {
	if err := syscall.Kill(-request.PID, request.Signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// Run runs a program to its end, and answers with what it has printed.
func (s *supervisor) Run(request RunRequest, reply *RunReply) error {
	path, err := exec.LookPath(request.Path)
	if err != nil {
		return err
	}
	input, err := os.CreateTemp("", "")
	if err != nil {
		return err
	}
	defer input.Close()
	if err := os.Remove(input.Name()); err != nil {
		return err
	}
	if _, err := input.WriteString(request.Stdin); err != nil {
		return err
	}
	if _, err := input.Seek(0, io.SeekStart); err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	pid, c, err := s.fork(path, request.Args, input, write, write)
	if err := errors.Join(err, write.Close()); err != nil {
		return err
	}
	defer s.forget(pid)
	if reply.Output, err = io.ReadAll(read); err != nil {
		return err
	}
	<-c.ended
	if c.status != 0 {
		reply.Failure = describe(c.status)
	}
	return nil
}

// describe says how a program has ended, in the words of os.ProcessState.
func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "signal: " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// removeAll ends all programs and removes what outlives the namespaces.
func (s *supervisor) removeAll(spec Spec) error {
	// The link to the machine outside would go some time after the namespaces.
	var reply RunReply
	if err := s.Run(RunRequest{Path: "ip", Args: []string{"link", "delete", spec.Uplink}}, &reply); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	// As the first process of its namespace it reaches all others, but not itself.
	for {
		if err := syscall.Kill(-1, syscall.SIGKILL); errors.Is(err, syscall.ESRCH) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.Join(RemoveCgroups(spec.Cgroup), removeFolder(spec.Dir))
}

// removeFolder removes a folder in which programs have mounted others.
func removeFolder(dir string) error {
	// Deleting must never reach through a mount: nothing is deleted before all are gone.
	if err := unmountBelow(dir); err != nil {
		return err
	}
	left, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("%s is kept, as something is mounted at %s", dir, strings.Join(left, ", "))
	}
	return os.RemoveAll(dir)
}

func unmountBelow(dir string) error {
	targets, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	// What was mounted last may be mounted on what was mounted first.
	for _, target := range slices.Backward(targets) {
		if err := syscall.Unmount(target, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
			return fmt.Errorf("unmounting %s: %w", target, err)
		}
	}
	return nil
}

// mountsBelow returns where something is mounted in dir, in the order of mounting.
func mountsBelow(dir string) ([]string, error) {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var targets []string
	for line := range bytes.Lines(content) {
		fields := strings.Fields(string(line))
		if len(fields) < 5 {
			continue
		}
		if target := unescape.Replace(fields[4]); strings.HasPrefix(target, dir+"/") {
			targets = append(targets, target)
		}
	}
	return targets, nil
}
