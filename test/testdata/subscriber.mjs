// Subscribes with Node's own WebSocket, prints what it gets, a line each, and ends after "end".
const socket = new WebSocket(process.argv[2]);
socket.onopen = () => socket.send("h");
socket.onerror = event => console.log(`error ${event.message}`);
socket.onclose = event => console.log(`closed ${event.code}`);
socket.onmessage = event => {
  console.log(JSON.stringify(event.data));
  if (event.data.startsWith('{"msg":"end"')) socket.close(1000);
};
