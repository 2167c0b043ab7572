import { once } from "node:events";
import { connect } from "node:tls";
import { FLAG, FRAME, PREFACE } from "@raft2kube/h2/frame.ts";
import { FrameReader } from "@raft2kube/h2/frame-reader.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { rawFrame } from "../../testing/raw-client.ts";
import { waitFor } from "../../testing/wait.ts";

const server = fileApiserver();
const STREAMS = 200;

/** Headers as HPACK's literals without indexing (RFC 7541, 6.2.2). */
function literals(headers: Readonly<Record<string, string>>): Buffer {
  const texts = Object.entries(headers).flatMap(([name, value]) =>
    [name, value].map((text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])),
  );
  const fields = Array.from({ length: texts.length / 2 }, (_, at) =>
    Buffer.concat([Buffer.from([0]), texts[2 * at]!, texts[2 * at + 1]!]),
  );
  return Buffer.concat(fields);
}

it("a refusal ends its stream before the rest of the body is cut off", async () => {
  const { ca, server: url } = server.api;
  const { port, hostname } = new URL(url);
  const address = { host: hostname, port: Number(port) };
  const socket = connect({ ...address, ca: ca.cert, ALPNProtocols: ["h2"] });
  await once(socket, "secureConnect");
  const cutBefore: number[] = [];
  const ended = new Set<number>();
  const reader = new FrameReader((type, flags, streamId) => {
    if (type === FRAME.RST_STREAM && !ended.has(streamId)) cutBefore.push(streamId);
    if ((type === FRAME.DATA || type === FRAME.HEADERS) && flags & FLAG.END_STREAM) {
      ended.add(streamId);
    }
  }, true);
  socket.on("data", (chunk: Buffer) => reader.push(chunk));
  const head = literals({
    ":method": "POST",
    ":scheme": "https",
    ":authority": "a",
    ":path": "/api/v1/namespaces/default/configmaps",
    "content-type": "application/json",
    authorization: "Bearer none",
  });
  socket.write(Buffer.concat([PREFACE, rawFrame(FRAME.SETTINGS, 0, 0, Buffer.alloc(0))]));
  for (let n = 0; n < STREAMS; n++) {
    const streamId = 2 * n + 1;
    socket.write(rawFrame(FRAME.HEADERS, FLAG.END_HEADERS, streamId, head));
    // As a client whose body is under way when the refusal comes.
    setImmediate(() => socket.write(rawFrame(FRAME.DATA, 0, streamId, Buffer.from("{"))));
    if (n % 8 === 7) await once(socket, "data");
  }
  const clock = systemClock();
  await waitFor("all ends", () => ended.size + cutBefore.length >= STREAMS, { clock });
  socket.destroy();
  expect(cutBefore).toEqual([]);
});
