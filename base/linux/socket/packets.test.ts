import { once } from "node:events";
import { closeSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { describe, expect, it } from "vitest";
import { failureWithoutDescriptors } from "../../../testing/few-descriptors.ts";
import { check, libc } from "../syscall/libc.ts";
import { AF_UNIX } from "../syscall/numbers.ts";
import { packetConnection } from "./packets.ts";

const SEQPACKET_NONBLOCK = 5 | 0o4000;

/** A connection, and the descriptor of its other side. */
function pair() {
  const fds = [0, 0];
  check("socketpair", libc.socketpair(AF_UNIX, SEQPACKET_NONBLOCK, 0, fds), "for a test");
  const [ours, other] = fds as [number, number];
  return { ...packetConnection(ours), other };
}

describe("a connection that keeps packets apart", () => {
  it("gives each packet, then the end", async () => {
    const { incoming, other } = pair();
    const packets: string[] = [];
    incoming.on("data", (packet: Buffer) => packets.push(packet.toString()));
    for (const text of ["one", "two", "three"]) writeSync(other, text);
    closeSync(other);
    await once(incoming, "end");
    expect(packets).toEqual(["one", "two", "three"]);
  });

  it("returns the last packets of a peer that never read its input", async () => {
    const { incoming, outgoing, other } = pair();
    const packets: string[] = [];
    incoming.on("data", (packet: Buffer) => packets.push(packet.toString()));
    await new Promise((resolve) => outgoing.write("unread", resolve));
    for (const text of ["last", "words"]) writeSync(other, text);
    // The kernel reports the reset before it returns the packets.
    closeSync(other);
    await once(incoming, "end");
    expect(packets).toEqual(["last", "words"]);
  });

  it("keeps packets apart that wait for a slow peer", async () => {
    const { incoming, outgoing, other } = pair();
    incoming.resume();
    const sizes = Array.from({ length: 200 }, (_, at) => 8_000 + at);
    const written = sizes.map((size) => {
      return new Promise((resolve) => outgoing.write(Buffer.alloc(size), resolve));
    });
    const buffer = Buffer.alloc(65_536);
    const received: number[] = [];
    while (received.length < sizes.length) {
      const size = tolerateSync(() => readSync(other, buffer), errno("EAGAIN"));
      if (size === undefined) await new Promise((resolve) => setImmediate(resolve));
      else received.push(size);
    }
    expect(received).toEqual(sizes);
    await Promise.all(written);
    closeSync(other);
    await once(incoming, "end");
  });

  it("reads on when writing fails, and says that it failed", async () => {
    const { incoming, outgoing, other } = pair();
    incoming.pause();
    writeSync(other, "words");
    closeSync(other);
    await expect(
      new Promise((resolve, reject) => {
        outgoing.write("too late", (error) => (error ? reject(error) : resolve("written")));
      }),
    ).rejects.toMatchObject({ code: "EPIPE" });
    const [packet] = (await once(incoming.resume(), "data")) as [Buffer];
    expect(packet.toString()).toBe("words");
    await once(incoming, "end");
  });
});

it.each([
  ["./packets.ts", "packetConnection"],
  ["./socket.ts", "adoptDescriptor"],
  ["../process/terminal.ts", "terminalOf"],
])("%s#%s closes its descriptor when there are too few others", (file, name) => {
  // All up to 63 are open.
  const call = `(async () => {
    const { fstatSync } = await import("node:fs");
    try {
      module.${name}(60);
    } catch (thrown) {
      fstatSync(60);
    }
  })()`;
  const failure = failureWithoutDescriptors(join(import.meta.dirname, file), call);
  expect(failure).toMatch(/^Error: EBADF/);
});
