import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { finished } from "node:stream/promises";
import type { Clock } from "@raft2kube/std/clock.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import { FLUSH_TIMEOUT_MS, STREAM_CREATION_TIMEOUT_MS } from "./limits.ts";
import { paced } from "./paced.ts";
import type { CommandStreams, RemoteCommand } from "./remote-command.ts";
import { ResizeFeed } from "./resize.ts";
import { SpdyConnection } from "./spdy/connection.ts";
import type { SpdyStream } from "./spdy/stream.ts";
import { outcomeStatus, outcomeText } from "./status.ts";
import { upgradeToSpdy } from "./upgrade.ts";

/** The newest first. Versions differ in the error stream (4) and in resizing (3). */
const PROTOCOLS = [
  "v5.channel.k8s.io",
  "v4.channel.k8s.io",
  "v3.channel.k8s.io",
  "v2.channel.k8s.io",
  "channel.k8s.io",
  "",
];
const STATUS_PROTOCOLS = new Set(["v5.channel.k8s.io", "v4.channel.k8s.io"]);
const RESIZE_PROTOCOLS = new Set([...STATUS_PROTOCOLS, "v3.channel.k8s.io"]);

function expectedTypes(streams: CommandStreams, protocol: string): Set<string> {
  const types = new Set(["error"]);
  if (streams.stdin) types.add("stdin");
  if (streams.stdout) types.add("stdout");
  if (streams.stderr && !streams.tty) types.add("stderr");
  if (streams.tty && RESIZE_PROTOCOLS.has(protocol)) types.add("resize");
  return types;
}

/** Waits for the client to open the streams; undefined when it does not in time, or goes. */
async function collectStreams(
  socket: Duplex,
  expected: Set<string>,
  clock: Clock,
): Promise<{ connection: SpdyConnection; streams: Map<string, SpdyStream> } | undefined> {
  const streams = new Map<string, SpdyStream>();
  let complete = () => {};
  const all = new Promise<void>((resolve) => (complete = resolve));
  const connection = new SpdyConnection(socket, {
    role: "server",
    clock,
    onStream(stream) {
      const type = stream.headers["streamtype"] ?? "";
      if (!expected.has(type) || streams.has(type)) {
        stream.destroy();
        return;
      }
      streams.set(type, stream);
      stream.reply();
      if (streams.size === expected.size) complete();
    },
  });
  await resultWithin(clock, Promise.race([all, connection.closed]), STREAM_CREATION_TIMEOUT_MS);
  if (streams.size === expected.size) return { connection, streams };
  connection.destroy();
  return undefined;
}

/** Ends the streams that we write, and waits until the client has taken all, or has gone. */
async function flush(streams: (SpdyStream | undefined)[]): Promise<void> {
  const ends = streams.map(async (stream) => {
    if (!stream || stream.destroyed) return;
    stream.end();
    // The client may have disconnected: there is no one left to report to.
    await finished(stream, { readable: false }).catch(() => undefined);
  });
  await Promise.all(ends);
}

/** `acceptRemoteCommand` over SPDY/3.1: a stream each for input, output, errors, status, sizes. */
export async function acceptSpdyCommand(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: { streams: CommandStreams; clock: Clock },
): Promise<RemoteCommand | undefined> {
  const protocol = upgradeToSpdy(request, socket, head, PROTOCOLS);
  if (protocol === undefined) return undefined;
  const expected = expectedTypes(options.streams, protocol);
  const collected = await collectStreams(paced(socket), expected, options.clock);
  if (!collected) return undefined;
  const { connection, streams } = collected;
  const gone = new AbortController();
  void connection.closed.then(() => gone.abort());
  const resizes = new ResizeFeed();
  streams.get("resize")?.on("data", (chunk: Buffer) => resizes.push(chunk));
  const status = streams.get("error");
  status?.resume();
  const [stdout, stderr] = [streams.get("stdout"), streams.get("stderr")];
  // Clients may close their end of the streams that we write: only a read shows it.
  for (const stream of [stdout, stderr]) stream?.resume();
  return {
    stdin: streams.get("stdin"),
    stdout,
    stderr,
    gone: gone.signal,
    onResize: (listener) => resizes.onResize(listener),
    async finish(outcome) {
      // Input that was not read would hold back the client's end.
      streams.get("stdin")?.unpipe().resume();
      await flush([stdout, stderr]);
      const text = STATUS_PROTOCOLS.has(protocol) ? outcomeStatus(outcome) : outcomeText(outcome);
      if (text !== "" && !status?.destroyed) status?.write(text);
      await flush([status]);
      // The client ends the connection: one in Go drops the frames that it has not looked at yet
      // when the server does.
      await resultWithin(options.clock, connection.closed, FLUSH_TIMEOUT_MS);
      connection.end();
      connection.destroy();
    },
  };
}
