import { duplexPair } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect, it } from "vitest";
import type { WatchEncoder, WatchItem } from "../../cache/event.ts";
import type { RequestContext } from "../../request/context.ts";
import { framedWatchEncoder, openWebSocketSink } from "./websocket-watch.ts";

const ITEM: WatchItem = { type: "BOOKMARK", revision: 1, initialEventsEnd: false };

/** Every event is `length` times `x`; the first has the prefix `first:`. */
const encoderOf = (length: number): WatchEncoder => ({
  id: "test",
  contentType: "application/json",
  encode: () => Buffer.from("x".repeat(length)),
  opening: (bytes) => Buffer.concat([Buffer.from("first:"), bytes]),
});

/** The payloads of frames that follow each other. */
function payloads(bytes: Buffer): string[] {
  const found: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    expect(bytes[at]).toBe(0x81);
    const short = bytes[at + 1]!;
    const [start, length] =
      short < 126
        ? [2, short]
        : short === 126
          ? [4, bytes.readUInt16BE(at + 2)]
          : [10, Number(bytes.readBigUInt64BE(at + 2))];
    found.push(bytes.subarray(at + start, at + start + length).toString());
    at += start + length;
  }
  return found;
}

// The first frame becomes longer than its length field allows.
it.each([1, 125, 126, 65_535, 65_536])(
  "the first event's prefix is inside its frame: %s bytes",
  (length) => {
    const encoder = framedWatchEncoder(encoderOf(length));
    const event = encoder.encode(ITEM);
    const opened = encoder.opening!(Buffer.concat([event, event]));
    const text = "x".repeat(length);
    expect(payloads(opened)).toEqual([`first:${text}`, text]);
  },
);

it("a watch that ends while answers to pings wait for the client says so last", async () => {
  const [client, ours] = duplexPair();
  const request = {
    method: "GET",
    headers: {
      upgrade: "websocket",
      origin: "null",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    },
  };
  const sink = await openWebSocketSink({
    upgrade: { socket: Object.assign(ours, { setTimeout: () => ours }), head: Buffer.alloc(0) },
    request,
    response: { detachSocket: () => undefined },
  } as unknown as RequestContext);
  expect(sink!.write(framedWatchEncoder(encoderOf(1 << 20)).encode(ITEM))).toBe(false);
  const ping = Buffer.of(0x89, 0x80, 0, 0, 0, 0);
  await new Promise((sent) => client.write(Buffer.concat([ping, ping]), sent));
  await new Promise<void>((turn) => void setImmediate(turn));
  sink!.end();
  const sent = await buffer(client);
  client.end();
  expect(sent.subarray(-8)).toEqual(Buffer.of(0x8a, 0, 0x8a, 0, 0x88, 2, 0x03, 0xe8));
});
