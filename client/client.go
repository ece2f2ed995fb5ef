// Package client subscribes to the keys of a gopush server and pushes to them.
//
//	err := client.Subscribe(ctx, client.Config{Addr: "127.0.0.1:6969", Key: "alice"},
//		func(m client.Message) error {
//			fmt.Println(m.ID, string(m.Payload))
//			return nil
//		})
//
//	backend, err := client.NewPublisher(client.PublisherConfig{Addr: "http://127.0.0.1:6970"})
//	receipt, err := backend.Push(ctx, "alice", []byte(`{"text":"hi"}`), client.Expire(time.Hour))
//
// # What Subscribe promises
//
// Messages come in order, each once, and none that was stored is skipped: a lost connection
// is made again and goes on after the last message that the callback took. What the server
// no longer has is told by Config.OnGap. Messages that were pushed live only, with an expiry
// of zero, reach only the connections of that moment.
//
//	dial -> subscribe after the last id -> messages -> callback -> next last id
//	  ^                                       |
//	  +---- wait, longer each time <---- connection lost
//	        or as the server asks
//
// A subscription without Config.After begins now, by the server's clock: the time is asked
// once, before the first connection, and is the position that every connection resumes after
// until a message has come. So what is pushed while a first connection is lost comes too.
//
// # What a push promises
//
// A Receipt with Stored set means that the message is durable. A stored push has an idempotency key, random unless it is given
// one, by which the server knows it: so Push tries again, at the next address if there are several, when a connection breaks, an
// answer is lost, or a server cannot take it now, and the message is stored once. It gives up when its ctx ends, or after
// PublisherConfig.RetryFor: then, after an error other than an *Error of the server that is not Unknown, the message may or may not
// have been taken, and only pushing it with the same idempotency key is certain not to double it.
//
// A message that is live only is sent once.
package client
