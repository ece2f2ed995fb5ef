package legacyrpc

import "encoding/json"

// What calls are given and answer, by the names of the fields, which is how gob knows them. A field that a caller has and
// these have not is passed over, and one that it has not is zero.

// CometNewArgs lets a token in for a key.
type CometNewArgs struct {
	Expire int64 // seconds after its last use; 0: the default
	Token  string
	Key    string
}

// CometPushPrivateArgs pushes a message to a key.
type CometPushPrivateArgs struct {
	Key    string
	Msg    json.RawMessage
	Expire uint // seconds; 0: live only
}

// CometPushPrivatesArgs pushes a message to several keys.
type CometPushPrivatesArgs struct {
	Keys   []string
	Msg    json.RawMessage
	Expire uint // seconds; 0: live only
}

// CometPushPrivatesResp answers the keys that failed.
type CometPushPrivatesResp struct {
	FKeys []string
}

// CometMigrateArgs tells of the nodes.
type CometMigrateArgs struct {
	Nodes map[string]int // weights
}

// MessageSavePrivateArgs stores a message.
type MessageSavePrivateArgs struct {
	Key    string
	Msg    json.RawMessage
	MsgId  int64
	Expire uint // seconds
}

// MessageSavePrivatesArgs stores a message for several keys.
type MessageSavePrivatesArgs struct {
	Keys   []string
	Msg    json.RawMessage
	MsgId  int64
	Expire uint // seconds
}

// MessageSavePrivatesResp answers the keys that failed.
type MessageSavePrivatesResp struct {
	FKeys []string
}

// MessageGetPrivateArgs asks for the messages of a key after a mid.
type MessageGetPrivateArgs struct {
	MsgId int64
	Key   string
}

// MessageGetResp answers them, oldest first.
type MessageGetResp struct {
	Msgs []*Message
	held int64 // bytes of payload, as Server.histories counts them
}

// Message is one of them.
type Message struct {
	Msg     json.RawMessage // one JSON value, always
	MsgId   int64
	GroupId uint
}
