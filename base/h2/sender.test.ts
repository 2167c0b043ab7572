import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { FRAME } from "./frame.ts";
import { FrameSender, type Outgoing, type SendingStream } from "./sender.ts";

const MIB = 1024 * 1024;

test("a socket that takes everything gets a part of a large body in each turn of the loop", async () => {
  let taken = 0;
  const socket = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      taken += chunk.length;
      done();
    },
  });
  const sender = new FrameSender(socket, { bytes: 0 }, () => expect.fail("too much is unread"));
  sender.window = 16 * MIB;
  const item: Outgoing = { kind: "data", bytes: Buffer.alloc(4 * MIB), end: true };
  let sent = false;
  const stream: SendingStream = {
    id: 1,
    sendWindow: 16 * MIB,
    pump() {
      sent = sender.send(stream, item);
      if (!sent) sender.wait(stream);
    },
  };
  const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
  stream.pump(1);
  for (let before = 0; !sent || taken > before; await nextTurn()) {
    expect(taken - before).toBeLessThan(MIB);
    before = taken;
  }
  expect(taken).toBeGreaterThan(4 * MIB);
});

test("a socket that a control frame fills gets no more data until it drains", async () => {
  let taken = 0;
  let full: (() => void) | undefined;
  const socket = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      taken += chunk.length;
      // The first write is taken immediately, the second when the peer reads.
      if (taken === chunk.length) done();
      else full = done;
    },
    writableHighWaterMark: 1,
  });
  const sender = new FrameSender(socket, { bytes: 0 }, () => expect.fail("too much is unread"));
  sender.window = 16 * MIB;
  const item: Outgoing = { kind: "data", bytes: Buffer.alloc(MIB), end: true };
  const stream: SendingStream = {
    id: 1,
    sendWindow: 16 * MIB,
    pump: () => void (sender.send(stream, item) || sender.wait(stream)),
  };
  stream.pump(1);
  const sent = sender.dataFrames;
  sender.control(FRAME.PING, 0, Buffer.alloc(8));
  sender.flush();
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  expect(sender.dataFrames).toBe(sent);
  full!();
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  expect(sender.dataFrames).toBeGreaterThan(sent);
});
