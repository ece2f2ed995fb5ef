package demo

import (
	"os/exec"
	"syscall"
)

// endWithParent makes the process end with this one, however that ends.
func endWithParent(process *exec.Cmd) {
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
