package bench

// nchan is nginx with the module nchan: subscribers over WebSocket, publishers over HTTP, kept
// alive. A subscriber reads messages from the buffer of the channel, so that it has to hold what
// one may lag behind.
func nchan() *peer {
	return &peer{
		label:   "nchan",
		program: "nginx",
		args:    []string{"-e", "stderr", "-c"},
		config: `
load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off;
pid DIR/pid;
error_log stderr error;
worker_processes 1;
events { worker_connections ` + peerConnections + `; }
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	server {
		listen 127.0.0.1:PORT;
		location = /pub {
			nchan_publisher http;
			nchan_channel_id $arg_key;
			nchan_message_buffer_length 1000;
		}
		location = /sub {
			nchan_subscriber websocket;
			nchan_channel_id $arg_key;
			nchan_subscriber_first_message newest;
		}
	}
}
`,
		worker:     true,
		subscriber: func(t *Target) dialect { return &nchanSubscriber{newWebSocket(t.Public)} },
		publisher:  func(t *Target) backend { return &nchanPublisher{host: t.Admin} },
	}
}

type nchanSubscriber struct{ webSocket }

func (s *nchanSubscriber) hello(key string) []byte { return s.handshake("/sub?key=" + key) }

// next takes the upgrade for the subscription: nchan says no more.
func (s *nchanSubscriber) next(buf []byte) (it item, n int, err error) {
	text, upgrade, n, err := s.text(buf)
	switch {
	case n == 0 || err != nil:
		return item{}, 0, err
	case upgrade:
		return item{kind: subscribed}, n, nil
	}
	return item{kind: delivery, payload: text}, n, nil
}

// nchanPublisher posts each message of a batch: there is no call for several.
type nchanPublisher struct {
	httpAnswers
	host string
}

func (*nchanPublisher) hello() []byte { return nil }

func (p *nchanPublisher) pushes(dst []byte, batch []push) (out []byte, answers int) {
	for _, m := range batch {
		dst = appendPost(dst, p.host, "/pub?key="+m.key, m.payload)
	}
	return dst, len(batch)
}
