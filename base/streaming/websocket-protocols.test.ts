import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocket } from "ws";
import { acceptPortForward } from "./accept-port-forward.ts";
import { acceptRemoteCommand } from "./accept-remote-command.ts";
import type { ForwardedConnection } from "./port-forward.ts";

const clock = systemClock();
const STREAMS = { stdin: true, stdout: true, stderr: true, tty: false };

let server: Server;

beforeAll(async () => {
  server = createServer();
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    void serve(request.url ?? "", request, socket as Socket, head);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => server.close());

/** Echoes one chunk of input and ends with the exit code that the path names. */
async function serve(
  url: string,
  ...accepted: [request: IncomingMessage, socket: Socket, head: Buffer]
): Promise<void> {
  if (url === "/port") {
    const onConnection = ({ data }: { data: NodeJS.ReadWriteStream }) => void data.pipe(data);
    return acceptPortForward(...accepted, { clock, ports: [80], onConnection });
  }
  if (url === "/ports") {
    return acceptPortForward(...accepted, { clock, ports: [80, 81], onConnection: answer });
  }
  const remote = await acceptRemoteCommand(...accepted, { streams: STREAMS, clock });
  if (!remote) return;
  const [chunk] = (await once(remote.stdin!, "data")) as [Buffer];
  remote.stdout!.write(chunk);
  await remote.finish({ exitCode: Number(url.slice(1)) });
}

/** Answers once and ends its side, as a server in a pod does; is done when the client's has ended. */
function answer({ data, error }: ForwardedConnection): void {
  data.once("data", (chunk: Buffer) => data.end(`${chunk.toString()}?`));
  data.once("end", () => error.end());
}

type Message = { channel: number; text: string };

/** A client of one protocol: how it reads and writes messages. */
function connect(path: string, protocol: string | undefined) {
  const { port } = server.address() as AddressInfo;
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocol ? [protocol] : []);
  const isText = protocol?.includes("base64") ?? false;
  const messages: Message[] = [];
  socket.on("message", (message: Buffer, isBinary) => {
    expect(isBinary).toBe(!isText);
    const rest = message.subarray(1);
    const channel = isText ? message[0]! - 0x30 : message[0]!;
    const bytes = isText ? Buffer.from(rest.toString(), "base64") : rest;
    messages.push({ channel, text: bytes.toString() });
  });
  const send = (text: string) =>
    socket.send(isText ? `0${Buffer.from(text).toString("base64")}` : Buffer.from(`\0${text}`));
  return { socket, messages, send };
}

const PROTOCOLS = [
  undefined,
  "channel.k8s.io",
  "base64.channel.k8s.io",
  "v4.channel.k8s.io",
  "v4.base64.channel.k8s.io",
  "v5.channel.k8s.io",
];

it.each(PROTOCOLS)("a command over %s: output, and how it ended", async (protocol) => {
  for (const exitCode of [0, 3]) {
    const { socket, messages, send } = connect(`/${exitCode}`, protocol);
    await once(socket, "open");
    expect(socket.protocol).toBe(protocol ?? "");
    send("hello");
    await once(socket, "close");
    expect(messages.slice(0, 2)).toEqual([
      { channel: 1, text: "" },
      { channel: 1, text: "hello" },
    ]);
    const [end, ...more] = messages.slice(2);
    expect(more).toEqual([]);
    if (/^v[45]/.test(protocol ?? "")) {
      expect(JSON.parse(end!.text)).toMatchObject({ status: exitCode ? "Failure" : "Success" });
    } else if (exitCode === 0) expect(end).toBeUndefined();
    else expect(end).toEqual({ channel: 3, text: expect.stringContaining("exit status 3") });
  }
});

it("a port forwarded without a protocol: binary channels", async () => {
  const { socket, messages, send } = connect("/port", undefined);
  await once(socket, "open");
  send("through");
  await expect.poll(() => messages.length).toBe(3);
  expect(messages.map(({ channel }) => channel)).toEqual([0, 1, 0]);
  expect(messages[2]?.text).toBe("through");
  socket.close();
});

it("ports forwarded over channels: a connection is over when the pod ends it, all end them", async () => {
  const { socket, messages } = connect("/ports", "v4.channel.k8s.io");
  const closed = once(socket, "close");
  await once(socket, "open");
  for (const channel of [0, 2]) {
    socket.send(Buffer.from([channel, 0x61]));
    await expect.poll(() => messages).toContainEqual({ channel, text: "a?" });
  }
  expect((await closed)[0]).toBe(1000);
});

it("the client's first protocol that is known counts; without one it is a 403", async () => {
  const { port } = server.address() as AddressInfo;
  const url = `ws://127.0.0.1:${port}/0`;
  const several = new WebSocket(url, ["v9.channel.k8s.io", "channel.k8s.io", "v5.channel.k8s.io"]);
  await once(several, "open");
  expect(several.protocol).toBe("channel.k8s.io");
  several.close();
  const unknown = new WebSocket(url, ["v9.channel.k8s.io"]);
  const [error] = (await once(unknown, "error")) as [Error];
  expect(error.message).toContain("403");
});
