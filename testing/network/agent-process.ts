import { createSocket } from "node:dgram";
import { connect, createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";

// A client and server in one network namespace: reads requests from standard input, a JSON object
// a line, and writes each answer as a line. Imports nothing of the product: it starts quickly.

interface Request {
  id: number;
  op: "listen" | "ask" | "open" | "say" | "reset" | "many";
  protocol: "tcp" | "udp";
  /** Where to; of `listen`: where, by default on all addresses. */
  address: string;
  port: number;
  /** The name of a server, or of the connection that `open`, `say` and `reset` refer to. */
  name: string;
  localPort?: number;
  /** Length of the question; of the answer, too, if it is longer than that is. */
  bytes?: number;
  /** Whether a connection of `ask` by TCP ends with a FIN of the client; else it is reset. */
  ends?: boolean;
  timeout_ms: number;
}

const TICK_MS = 10;
const kept = new Map<string, Socket>();

const OPERATIONS: Record<Request["op"], (request: Request) => Promise<string>> = {
  listen: (request) => (request.protocol === "tcp" ? listenTcp(request) : listenUdp(request)),
  ask: (request) => (request.protocol === "tcp" ? askTcp(request) : askUdp(request)),
  open,
  say,
  reset,
  many,
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const request = JSON.parse(line) as Request;
    void OPERATIONS[request.op](request).then((answer) => {
      process.stdout.write(`${JSON.stringify({ id: request.id, answer })}\n`);
    });
  })
  .on("close", () => process.exit());

function listenTcp({ port, name, address }: Request): Promise<string> {
  const server = createServer((socket) => {
    const from = `${name} ${socket.remoteAddress}`;
    socket.on("error", () => socket.destroy());
    socket.on("data", () => socket.write(`${from}\n`));
  });
  return new Promise((resolve) => {
    server.on("error", (error) => resolve(error.message));
    server.listen(port, address, () => resolve("listening"));
  });
}

function listenUdp({ port, name, address }: Request): Promise<string> {
  const socket = createSocket("udp4");
  socket.on("message", (message, from) => {
    const answer = `${name} ${from.address}`.padEnd(message.length);
    socket.send(answer, from.port, from.address);
  });
  return new Promise((resolve) => {
    socket.on("error", (error) => resolve(error.message));
    socket.bind(port, address, () => resolve("listening"));
  });
}

function wordFor(error: NodeJS.ErrnoException): string {
  const words: Record<string, string> = { ECONNREFUSED: "refused", ECONNRESET: "reset" };
  return words[error.code ?? ""] ?? error.message;
}

async function askTcp(request: Request): Promise<string> {
  const { address: host, port, localPort } = request;
  const socket = connect({ host, port, ...(localPort ? { localPort } : {}) });
  // The listener also stays after the timeout: the attempt to connect continues, and fails when it
  // is refused.
  socket.on("error", () => socket.destroy());
  const answer = await talk(socket, request.timeout_ms);
  if (request.ends) socket.end();
  else socket.resetAndDestroy();
  return answer;
}

/**
 * Calls back after `timeout_ms` in turns of the event loop, TICK_MS apart: on a busy machine they
 * take longer, as does an answer. Returns how to cancel it.
 */
function afterTurns(timeout_ms: number, callback: () => void): () => void {
  let left = timeout_ms / TICK_MS;
  const timer = setInterval(() => {
    if (--left > 0) return;
    clearInterval(timer);
    callback();
  }, TICK_MS);
  return () => clearInterval(timer);
}

function talk(socket: Socket, timeout_ms: number): Promise<string> {
  return new Promise((resolve) => {
    const failed = (error: Error) => done(wordFor(error));
    const closed = () => done("closed");
    const answered = (data: Buffer) => done(data.toString().trim());
    const cancel = afterTurns(timeout_ms, () => done("silent"));
    const done = (answer: string) => {
      cancel();
      socket.off("error", failed).off("close", closed).off("data", answered);
      resolve(answer);
    };
    socket.on("error", failed).on("close", closed).on("data", answered);
    socket.write("hello\n");
  });
}

function askUdp({ address, port, localPort, bytes = 0, timeout_ms }: Request): Promise<string> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  return new Promise((resolve) => {
    const done = (answer: string) => {
      cancel();
      socket.close();
      resolve(answer);
    };
    const cancel = afterTurns(timeout_ms, () => done("silent"));
    socket.once("error", (error) => done(wordFor(error)));
    socket.once("message", (message) => done(message.toString().trim()));
    socket.bind(localPort ?? 0, () => {
      socket.connect(port, address);
      socket.once("connect", () =>
        socket.send("hello".padEnd(bytes), (error) => {
          if (error) done(wordFor(error));
        }),
      );
    });
  });
}

/** Connects again and again for `timeout_ms`, 16 at a time; how many were answered. */
async function many(request: Request): Promise<string> {
  let isOver = false;
  setTimeout(() => (isOver = true), request.timeout_ms);
  let count = 0;
  const worker = async () => {
    while (!isOver) {
      if (/ /.test(await askTcp({ ...request, timeout_ms: 5_000 }))) count++;
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return String(count);
}

async function open({ address: host, port, name, timeout_ms }: Request): Promise<string> {
  const socket = connect({ host, port });
  kept.set(name, socket);
  const answer = await talk(socket, timeout_ms);
  socket.on("error", () => socket.destroy());
  return answer;
}

async function say({ name, timeout_ms }: Request): Promise<string> {
  const socket = kept.get(name);
  return !socket || socket.destroyed ? "closed" : talk(socket, timeout_ms);
}

function reset({ name }: Request): Promise<string> {
  kept.get(name)?.resetAndDestroy();
  return Promise.resolve("reset");
}
