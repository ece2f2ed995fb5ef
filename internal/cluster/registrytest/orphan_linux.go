package registrytest

import (
	"os/exec"
	"syscall"
)

// endWithTest has the server killed with the test, also when the test is killed.
func endWithTest(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
