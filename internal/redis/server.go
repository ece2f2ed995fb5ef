package redis

// Server carries out commands of the connections of a node, or says how to.
type Server struct {
	cfg Config
}

// New returns a server.
func New(cfg Config) *Server { return &Server{cfg: cfg} }

// Known tells whether a command of this name, in any case, exists: so that a connection whose first command it is
// speaks Redis.
func (s *Server) Known(name []byte) bool { return false }

// Command carries out a command, the name and its arguments, of the connection whose session is c: it appends the reply to dst, or sets
// step to what is to be done for it. args are the caller's: what outlives the call is copied. step.Kind is Done if
// nothing is to be done. While commands of c are under way that are not Done, c runs no others but pushes.
func (s *Server) Command(c *Session, args [][]byte, dst []byte, step *Step) []byte { return dst }
