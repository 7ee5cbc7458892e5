// `ws` on Node.js: /echo echoes; any other path is a room, and each member is sent to, as in its README.
//
//     node ws_server.mjs PORT
import { WebSocketServer } from 'ws';

const rooms = new Map();
const server = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), perMessageDeflate: false, backlog: 4096 });

server.on('connection', (socket, request) => {
  if (request.url === '/echo') {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
    return;
  }
  const room = rooms.get(request.url) ?? rooms.set(request.url, new Set()).get(request.url);
  room.add(socket);
  socket.on('message', (data, binary) => {
    for (const member of room) member.send(data, { binary });
  });
  socket.on('close', () => room.delete(socket));
});
