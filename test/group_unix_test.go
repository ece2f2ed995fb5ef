//go:build unix

package test

import (
	"os/exec"
	"syscall"
)

// inGroup has cmd lead a process group of its own, so that its children end with it.
func inGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup ends cmd and its children.
func endGroup(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
