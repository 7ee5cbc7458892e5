// Bun, whose server is uWebSockets in C++: /echo echoes; any other path is a topic of its own publish and subscribe.
//
//     bun bun_server.mjs PORT
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: Number(process.argv[2]),
  fetch(request, server) {
    const path = new URL(request.url).pathname;
    const data = { room: path === '/echo' ? '' : path };
    if (!server.upgrade(request, { data })) return new Response('a WebSocket is wanted\n', { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    open(socket) {
      if (socket.data.room) socket.subscribe(socket.data.room);
    },
    message(socket, message) {
      if (socket.data.room) server.publish(socket.data.room, message);
      else socket.send(message);
    },
  },
});
