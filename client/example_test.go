package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"gopush/client"
)

// Print what is pushed from now on, until Ctrl-C.
func ExampleSubscribe() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cfg := client.Config{Addr: "127.0.0.1:6969", Key: "alice"}
	err := client.Subscribe(ctx, cfg, func(m client.Message) error {
		fmt.Println(m.ID, string(m.Payload))
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

// Go on where the last run ended: the id of each message is kept when it was handled. A
// message that was handled without its id being kept comes again.
func ExampleSubscribe_resume() {
	const position = "alice.position"
	after, err := os.ReadFile(position)
	if errors.Is(err, os.ErrNotExist) {
		after = []byte("0") // everything that the server still has
	}
	cfg := client.Config{
		Addr:  "wss://push.example.com",
		Key:   "alice",
		Token: os.Getenv("ALICE_TOKEN"),
		After: string(after),
		OnGap: func(g client.Gap) { log.Printf("messages between %s and %s are gone", g.After, g.From) },
		OnDisconnect: func(err error, pause time.Duration) {
			log.Printf("%v; connecting again in %v", err, pause)
		},
	}
	err = client.Subscribe(context.Background(), cfg, func(m client.Message) error {
		fmt.Println(string(m.Payload))
		return os.WriteFile(position, []byte(m.ID), 0o600)
	})
	if errors.Is(err, client.ErrToken) {
		log.Fatal("ask the backend for a new token")
	}
	log.Fatal(err)
}

// Push a message that is kept for an hour for devices that are away.
func ExamplePublisher_Push() {
	backend, err := client.NewPublisher(client.PublisherConfig{APIKey: os.Getenv("API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	receipt, err := backend.Push(ctx, "alice", []byte(`{"text":"hi"}`), client.Expire(time.Hour))
	if refusal, ok := errors.AsType[*client.Error](err); ok && !refusal.Unknown() {
		log.Fatalf("not pushed: %v", refusal)
	} else if err != nil {
		log.Fatalf("perhaps pushed: %v", err)
	}
	fmt.Println(receipt.ID, receipt.Stored, receipt.Subscribers)
}

// Push to many keys in one call.
func ExamplePublisher_PushAll() {
	backend, err := client.NewPublisher(client.PublisherConfig{})
	if err != nil {
		log.Fatal(err)
	}
	results, err := backend.PushAll(context.Background(), []client.Push{
		{Key: "alice", Payload: []byte("lunch?"), Expire: 2 * time.Hour},
		{Key: "bob", Payload: []byte("typing"), Expire: client.LiveOnly},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Println(r.Key, r.ID, r.Err)
	}
}
