//go:build unix

package test

import (
	"os"
	"os/exec"
	"syscall"
)

// inGroup has cmd lead a process group of its own, so that its children end with it.
func inGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// halt stops a process as a machine that hangs does, until proceed.
func halt(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

// proceed has a process go on that was halted, or has ended.
func proceed(p *os.Process) { _ = p.Signal(syscall.SIGCONT) }

// endGroup ends cmd and its children.
func endGroup(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
